// Kernels in which every element stands alone. A block has one row, its threads go over the columns.
#include "math.cuh"
#include "view.cuh"

/** x[r] += table[(r / rowsPerTableRow) % table.rows]; x [N, C] and table [T, C] in float32. */
extern "C" __global__ void addRows(View x, View table, int rowsPerTableRow) {
  float* row = x.floats(blockIdx.x);
  const float* added = table.floats(blockIdx.x / rowsPerTableRow % table.rows);
  for (int c = threadIdx.x; c < x.columns; c += blockDim.x) {
    row[c] += added[c];
  }
}

/** out = activation(in), any dtypes; with NONE a cast. */
extern "C" __global__ void activate(View in, View out, int activation) {
  for (int c = threadIdx.x; c < in.columns; c += blockDim.x) {
    out.store(blockIdx.x, c, activated(in.load(blockIdx.x, c), activation));
  }
}

/** Bits from place to place: elements of 4 bytes, or of 2 where the views say bfloat. */
extern "C" __global__ void copyRows(View source, View target) {
  for (int c = threadIdx.x; c < source.columns; c += blockDim.x) {
    if (source.bfloat) {
      target.bfloats(blockIdx.x)[c] = source.bfloats(blockIdx.x)[c];
    } else {
      target.floats(blockIdx.x)[c] = source.floats(blockIdx.x)[c];
    }
  }
}

/** One summand: float32 values, and coefficients for all rows or, where `perRow` is not 0, for each. */
struct Term {
  View values;
  const float* coefficients;
  long long perRow;
};

/** out = sum of coefficient * values in the order of the terms; those with coefficient 0 are left out. */
extern "C" __global__ void combine(View out, const Term* terms, int count) {
  for (int c = threadIdx.x; c < out.columns; c += blockDim.x) {
    float sum = 0;
    bool begun = false;
    for (int t = 0; t < count; t++) {
      float coefficient = terms[t].coefficients[terms[t].perRow ? blockIdx.x : 0];
      if (coefficient != 0) {
        float x = terms[t].values.floats(blockIdx.x)[c];
        // Not by one: a product may change a NaN's bits. Not to zero: it changes -0.
        float product = coefficient == 1 ? x : x * coefficient;
        sum = begun ? sum + product : product;
        begun = true;
      }
    }
    out.floats(blockIdx.x)[c] = sum;
  }
}

/** target += exp(logVariance / 2) * noise, logVariance between minLog and maxLog as `variance` says; all [N, C] float32. */
extern "C" __global__ void addLearnedNoise(View target, View variance, View noise, float minLog, float maxLog) {
  float* row = target.floats(blockIdx.x);
  for (int c = threadIdx.x; c < target.columns; c += blockDim.x) {
    float f = (variance.floats(blockIdx.x)[c] + 1.0f) * 0.5f;
    float logVariance = f * maxLog + (1.0f - f) * minLog;
    row[c] = fmaf(noise.floats(blockIdx.x)[c], exponential(logVariance * 0.5f), row[c]);
  }
}
