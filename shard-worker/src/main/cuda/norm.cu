// Norms over a row or a head. A warp has one of them: each lane sums every 32nd element, then the lanes are summed in a
// fixed tree, so the order depends on the number of elements alone.
#include "view.cuh"

/** 1 / sqrt(x), the root and the quotient in float64 as on the CPU. */
__device__ static float inverseRoot(double x) { return static_cast<float>(1.0 / sqrt(x)); }

/**
 * out = layerNorm(in) * (base + scale) + shift for one row of `columns`; `out` may be `in`. Each lane writes the columns that
 * it reads.
 */
__device__ static void normRow(const float* in, const View& out, long long row, int columns, const float* shift,
                               const float* scale, float base, float epsilon) {
  float sum = 0;
  for (int c = lane(); c < columns; c += WARP) {
    sum += in[c];
  }
  float mean = warpSum(sum) / columns;
  // Two passes: squares of differences lose nothing when the mean is large; the differences' own sum tells by how much
  // the mean was rounded.
  float differences = 0;
  float squares = 0;
  for (int c = lane(); c < columns; c += WARP) {
    float difference = in[c] - mean;
    differences += difference;
    squares = fmaf(difference, difference, squares);
  }
  float residue = warpSum(differences) / columns;
  float variance = fmaxf(warpSum(squares) / columns - residue * residue, 0.0f);
  float factor = inverseRoot(static_cast<double>(variance) + epsilon);
  for (int c = lane(); c < columns; c += WARP) {
    float normal = (in[c] - mean - residue) * factor;
    out.store(row, c, fmaf(normal, scale[c] + base, shift[c]));
  }
}

/** out = layerNorm(in) * (1 + scale) + shift, by groups of rows; a group whose vector is below 0 keeps what it was. */
extern "C" __global__ void modulate(View in, View out, View shifts, View scales, const int* vectorOfGroup,
                                    int rowsPerGroup, float epsilon) {
  long long row = globalWarp();
  if (row >= in.rows) {
    return;
  }
  int vector = vectorOfGroup[row / rowsPerGroup];
  if (vector >= 0) {
    normRow(in.floats(row), out, row, in.columns, shifts.floats(vector), scales.floats(vector), 1, epsilon);
  }
}

/** Cells of factor * factor tokens to one: a convolution per channel, then an affine layer norm. All float32. */
extern "C" __global__ void reduceTokens(View in, View out, View kernel, View bias, View normWeight, View normBias,
                                        int gridRows, int gridColumns, int factor, float epsilon) {
  long long row = globalWarp();
  if (row >= out.rows) {
    return;
  }
  int cellsPerRow = gridColumns / factor;
  int cells = gridRows / factor * cellsPerRow;
  int cell = row % cells;
  long long first = row / cells * gridRows * gridColumns + static_cast<long long>(cell / cellsPerRow) * factor * gridColumns +
                    cell % cellsPerRow * factor;
  for (int c = lane(); c < out.columns; c += WARP) {
    float sum = bias.floats(0)[c];
    for (int tap = 0; tap < factor * factor; tap++) {
      long long token = first + tap / factor * gridColumns + tap % factor;
      sum = fmaf(in.floats(token)[c], kernel.floats(c)[tap], sum);
    }
    out.floats(row)[c] = sum;
  }
  normRow(out.floats(row), out, row, out.columns, normBias.floats(0), normWeight.floats(0), 0, epsilon);
}

/** Pairs of channels that one lane holds of a head of up to 256. */
constexpr int PAIRS = 4;

/**
 * In place, for each head of x [N, heads * D]: RMS norm where `weight` is not null, rotation where the tables are not. Pair k
 * is channels 2k and 2k + 1 where `adjacent` is not 0, else k and k + D / 2.
 *
 * @param weight [D]
 * @param cosines [positions, D / 2], like `sines`; the position of row r is (r / rowsPerPosition) % positions
 */
extern "C" __global__ void normRotate(View x, int heads, const float* weight, float epsilon, View cosines, View sines,
                                      int rowsPerPosition, int adjacent) {
  long long row = globalWarp() / heads;
  if (row >= x.rows) {
    return;
  }
  int dimension = x.columns / heads;
  int half = (dimension + 1) / 2; // an odd dimension has a last pair of one, which is not turned
  float* head = x.floats(row) + globalWarp() % heads * dimension;
  float first[PAIRS];
  float second[PAIRS];
  float squares = 0;
  for (int i = 0; i < PAIRS; i++) {
    int k = lane() + i * WARP;
    int a = adjacent ? 2 * k : k;
    int b = adjacent ? 2 * k + 1 : k + half;
    first[i] = k < half ? head[a] : 0.0f;
    second[i] = k < half && b < dimension ? head[b] : 0.0f;
    squares = fmaf(first[i], first[i], squares);
    squares = fmaf(second[i], second[i], squares);
  }
  float factor = 1;
  if (weight != nullptr) {
    factor = inverseRoot(static_cast<double>(warpSum(squares) / dimension) + epsilon);
  }
  bool turned = cosines.data != nullptr;
  long long position = turned ? row / rowsPerPosition % cosines.rows : 0;
  for (int i = 0; i < PAIRS; i++) {
    int k = lane() + i * WARP;
    if (k >= half) {
      continue;
    }
    int a = adjacent ? 2 * k : k;
    int b = adjacent ? 2 * k + 1 : k + half;
    float p = first[i];
    float q = second[i];
    if (weight != nullptr) {
      p = p * factor * weight[a];
      q = b < dimension ? q * factor * weight[b] : 0.0f;
    }
    if (turned) {
      float cosine = cosines.floats(position)[k];
      float sine = sines.floats(position)[k];
      float turnedFirst = fmaf(q, -sine, p * cosine);
      q = fmaf(p, sine, q * cosine);
      p = turnedFirst;
    }
    head[a] = p;
    if (b < dimension) {
      head[b] = q;
    }
  }
}
