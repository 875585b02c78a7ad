// What both attention kernels share: which queries and keys a block has.
#pragma once
#include "math.cuh"
#include "view.cuh"

/** Stands for minus infinity, and unlike it has no NaN as a difference. */
constexpr float LOWEST = -3.402823466e38f;

/** Token i of sequence s is row firstRow[s] + i * stride. */
struct Sequences {
  const int* firstRow;
  const int* length;
  long long stride;

  __device__ long long row(int sequence, int token) const { return firstRow[sequence] + token * stride; }
};

/** The place of a block in the grid: x is sequence by sequence the tiles of queries, y the head. */
struct Place {
  int sequence;
  int firstQuery;
  int queries; // of the whole sequence
  int keys;
  int channel; // the head's first

  __device__ Place(const Sequences& queries, const Sequences& keys, int tilesPerSequence, int tile, int dimension)
      : sequence(blockIdx.x / tilesPerSequence),
        firstQuery(blockIdx.x % tilesPerSequence * tile),
        queries(queries.length[sequence]),
        keys(keys.length[sequence]),
        channel(blockIdx.y * dimension) {}
};
