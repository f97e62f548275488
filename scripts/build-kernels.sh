#!/bin/bash
# Compiles assembly/kernels.ts into src/simd/kernels-wasm.ts. The compiler (100 MB) is fetched for this alone.
set -euo pipefail
cd "$(dirname "$0")/.."
wasm=$(mktemp --suffix=.wasm)
npm exec --yes --package=assemblyscript@0.28.20 -- asc assembly/kernels.ts \
  -O3 --enable simd --runtime stub --noAssert --importMemory --outFile "$wasm"
{
  echo '/** Generated from assembly/kernels.ts by scripts/build-kernels.sh: change that file, not this one. */'
  echo "export const kernelsWasm ="
  echo "  '$(base64 --wrap=0 "$wasm")';"
} >src/simd/kernels-wasm.ts
rm "$wasm"
