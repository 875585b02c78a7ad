// Everything that goes into the module, as one source: nvcc makes a fat binary of it, g++ the emulation.
#include "attention.cu"
#include "attention_bfloat.cu"
#include "matmul.cu"
#include "noise.cu"
#include "norm.cu"
#include "patch.cu"
#include "pointwise.cu"
