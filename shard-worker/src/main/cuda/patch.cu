// Latents [channels * frames, height * width] to rows of patches, and back. A block has one patch.
#include "view.cuh"

/** As dev.longtake.worker.device.Patching; the grid is counted in patches. */
struct Patching {
  int frames;
  int height;
  int width;
  int patchFrames;
  int patchHeight;
  int patchWidth;
  int gridRows;
  int gridColumns;
};

/** Where value v (ordered frame, row, column) of the block's patch is in the latents; null beyond their ends. */
__device__ static float* latentAt(const View& latents, const Patching& p, int channel, int v) {
  int patch = blockIdx.x;
  int inFrame = patch % (p.gridRows * p.gridColumns);
  int frame = patch / (p.gridRows * p.gridColumns) * p.patchFrames + v / (p.patchHeight * p.patchWidth);
  int y = inFrame / p.gridColumns * p.patchHeight + v / p.patchWidth % p.patchHeight;
  int x = inFrame % p.gridColumns * p.patchWidth + v % p.patchWidth;
  if (frame >= p.frames || y >= p.height || x >= p.width) {
    return nullptr;
  }
  return latents.floats(static_cast<long long>(channel) * p.frames + frame) + static_cast<long long>(y) * p.width + x;
}

/** out [patches, channels * volume], the channel slowest; zeros where a patch hangs over the end. */
extern "C" __global__ void patchify(View latents, View out, Patching p) {
  int volume = p.patchFrames * p.patchHeight * p.patchWidth;
  for (int c = threadIdx.x; c < out.columns; c += blockDim.x) {
    const float* from = latentAt(latents, p, c / volume, c % volume);
    out.store(blockIdx.x, c, from == nullptr ? 0.0f : *from);
  }
}

/** patches [patches, channels * volume]: value v of channel c is in column v * placeStride + c * channelStride. */
extern "C" __global__ void unpatchify(View patches, View latents, Patching p, int placeStride, int channelStride) {
  int volume = p.patchFrames * p.patchHeight * p.patchWidth;
  for (int i = threadIdx.x; i < patches.columns; i += blockDim.x) {
    int channel = i / volume;
    int v = i % volume;
    float* to = latentAt(latents, p, channel, v);
    if (to != nullptr) {
      *to = patches.floats(blockIdx.x)[v * placeStride + channel * channelStride];
    }
  }
}
