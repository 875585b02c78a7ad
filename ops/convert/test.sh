#!/bin/sh
# Makes a tiny text encoder and a tiny autoencoder, converts them, and has the workers' classes run what came out and
# compare it with PyTorch. Needs the packages of requirements.txt; PYTHON names the interpreter that has them.
#
#   test.sh [DIR]    DIR keeps the converted model; shard-worker/src/test/resources/converted renews the one under test
set -eu

python=${PYTHON:-python3}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

if ! "$python" -c 'import onnx, onnxscript, safetensors, sentencepiece, torch' 2>/dev/null; then
  echo "Skipped: $python lacks packages of ops/convert/requirements.txt" >&2
  exit 0
fi

tiny=$(mktemp -d)
trap 'rm -rf "$tiny"' EXIT
converted=${1:-$tiny/converted}
mkdir -p "$converted"
converted=$(cd "$converted" && pwd)

export PYTHONDONTWRITEBYTECODE=1
cd "$here"
"$python" tiny.py "$tiny"
rm -rf "$converted/model"
mv "$tiny/model" "$converted/model"
"$python" convert.py --text-encoder "$tiny/text_encoder" --vae "$tiny/vae" --out "$converted/model"
"$python" record.py "$tiny" "$converted/expected.safetensors"
"$python" bad_input.py "$tiny"
chmod -R u+rw,go+r "$converted"

cd "$root"
${MVN:-mvn -B} -q -pl shard-worker -am test -Dtest=ConvertedModelTest -Dsurefire.failIfNoSpecifiedTests=false \
  "-Dlongtake.converted=$converted"
echo "Converted and compared: $converted"
