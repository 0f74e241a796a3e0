// A reading thread whose reads of the first block of a file hang, the first two times.

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const readSync = fs.readSync;
let hangsLeft = 2;
fs.readSync = (fd, buffer, offset, length, position) => {
  if (position === 0 && hangsLeft-- > 0) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  }
  return readSync(fd, buffer, offset, length, position);
};
syncBuiltinESMExports();

await import('../../../dist/datanode/disk/read-worker.js');
