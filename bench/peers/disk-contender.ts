// A step of the benchmark of data larger than memory: node disk-contender.js fill FOLDER ROWS, or
// NAME FOLDER ROWS MS, which prints its figures as JSON.

import { CONTENDERS, fill } from '../support/disk-contenders.ts';

const [name = '', folder = '', rows, ms] = process.argv.slice(2);
if (name === 'fill') {
  await fill(folder, Number(rows));
} else {
  const measure = CONTENDERS[name as keyof typeof CONTENDERS];
  // The threads that read do not keep the process alive, which sockets do in a datanode.
  const alive = setInterval(() => undefined, 1000);
  const figures = await measure({ folder, rows: Number(rows), ms: Number(ms) });
  clearInterval(alive);
  console.log(JSON.stringify(figures));
}
