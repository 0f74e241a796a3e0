// Segments compared with a plain Map<string, Buffer> and lmdb: build, hit, miss, bytes per key;
// each in one thread of its own process. Lookups: the best of the rounds, of a million each.

import { fileURLToPath } from 'node:url';
import { defineBench } from '../bench.ts';
import type { Row } from '../bench.ts';
import { run } from '../support/processes.ts';
import { CONTENDERS, KEY_BYTES, SHARDS, VALUE_BYTES } from '../support/segment-contenders.ts';
import type { Figures } from '../support/segment-contenders.ts';

const SIZES = [1_000_000, 10_000_000];
/** lmdb takes minutes to fill with more. */
const LMDB_KEYS_MAX = 1_000_000;
const SCRIPT = fileURLToPath(new URL('../peers/segment-contender.js', import.meta.url));

function measure(contender: string, keyCount: number, rounds: number): Row {
  const flags = ['--expose-gc', '--max-old-space-size=12000'];
  const words = [contender, String(keyCount), String(rounds)];
  const figures = JSON.parse(run(process.execPath, [...flags, SCRIPT, ...words])) as Figures;
  const { hitNs, indexBytes, missNs, overheadBytes, rowsPerSecond } = figures;
  return {
    what: [keyCount.toLocaleString('en'), contender],
    figures: [rowsPerSecond, hitNs, missNs, indexBytes, overheadBytes],
  };
}

export const bench = defineBench({
  about: `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes, ${SHARDS} segments`,
  settings: { keys: { whole: 10_000_000, short: 20_000 }, rounds: { whole: 7, short: 2 } },
  async run({ keys, rounds }) {
    const rows = [...SIZES.filter((size) => size < keys), keys].flatMap((keyCount) =>
      Object.keys(CONTENDERS)
        .filter((name) => name !== 'lmdb' || keyCount <= LMDB_KEYS_MAX)
        .map((name) => measure(name, keyCount, rounds)),
    );
    return [
      {
        caption: 'One thread. The build is that of the median segment; lookups in random order.',
        labels: ['keys', 'store'],
        columns: [
          { title: 'build rows/s', digits: 0, better: 'higher' },
          { title: 'hit ns', digits: 0, better: 'lower' },
          { title: 'miss ns', digits: 0, better: 'lower' },
          { title: 'index B/key', digits: 2, better: 'lower' },
          { title: 'overhead B/key', digits: 2, better: 'lower' },
        ],
        rows,
      },
    ];
  },
});
