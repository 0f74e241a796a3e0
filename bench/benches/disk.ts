// Data larger than memory: random reads of the disk tier within one process, compared with what the
// disk itself gives (fio), with lmdb in one process, and with RocksDB (its own db_bench). All but fio
// run under the same limit of memory, which counts the page cache.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineBench } from '../bench.ts';
import type { Program, Row } from '../bench.ts';
import { CONTENDERS, KEY_BYTES, VALUE_BYTES } from '../support/disk-contenders.ts';
import type { Figures } from '../support/disk-contenders.ts';
import { median } from '../support/measure.ts';
import { memoryLimit } from '../support/memory-limit.ts';
import { run, tempFolder } from '../support/processes.ts';

const FIO: Program = { name: 'fio', debianPackage: 'fio' };
const DB_BENCH: Program = { name: 'db_bench', debianPackage: 'rocksdb-tools' };
const SCRIPT = fileURLToPath(new URL('../peers/disk-contender.js', import.meta.url));
/** Reads at a time, of fio and of RocksDB. */
const THREADS = 8;
const ROW_BYTES = KEY_BYTES + VALUE_BYTES;

interface Setup {
  readonly folder: string;
  readonly rows: number;
  readonly seconds: number;
  /** What a command is run by that is to have little memory. */
  readonly limited: readonly string[];
}

/** What was read or written before is not in the page cache any more. */
function forget(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    run('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}

function runLimited(
  { limited: [program = '', ...before] }: Setup,
  words: readonly string[],
): string {
  return run(program, [...before, ...words]);
}

function ofContender(setup: Setup, name: string): Figures {
  const { folder, rows, seconds } = setup;
  const words = [name, folder, String(rows), String(seconds * 1000)];
  return JSON.parse(runLimited(setup, [process.execPath, SCRIPT, ...words])) as Figures;
}

/** Blocks of 4 KiB of a file as large as the data, past the page cache. */
function ofDisk({ folder, rows, seconds }: Setup): Figures {
  const words = ['--name=disk', `--filename=${join(folder, 'fio')}`, '--rw=randread', '--bs=4k'];
  const size = Math.ceil((rows * ROW_BYTES) / 4096) * 4096;
  const how = ['--direct=1', '--ioengine=psync', `--numjobs=${THREADS}`, '--group_reporting'];
  const time = ['--time_based', `--runtime=${seconds}`, '--output-format=json'];
  const printed = run('fio', [...words, `--size=${size}`, ...how, ...time]);
  const report = JSON.parse(printed.slice(printed.indexOf('{'))) as {
    readonly jobs: readonly { readonly read: { readonly iops: number } }[];
  };
  return { readsPerSecond: report.jobs[0]?.read.iops ?? 0, p99Ms: null };
}

function rocksWords({ folder, rows }: Setup): string[] {
  return [
    `--db=${join(folder, 'rocksdb')}`,
    `--num=${rows}`,
    `--key_size=${KEY_BYTES}`,
    `--value_size=${VALUE_BYTES}`,
    '--compression_type=none',
    '--bloom_bits=10',
    '--cache_index_and_filter_blocks=false',
  ];
}

function fillRocks(setup: Setup): void {
  run('db_bench', ['--benchmarks=fillseq,compact', ...rocksWords(setup)]);
}

function ofRocks(setup: Setup, isDirect: boolean): Figures {
  const how = [`--use_direct_reads=${isDirect}`, `--threads=${THREADS}`, '--use_existing_db=1'];
  const words = ['--benchmarks=readrandom', `--duration=${setup.seconds}`, '--cache_size=8388608'];
  const printed = runLimited(setup, ['db_bench', ...words, ...rocksWords(setup), ...how]);
  const [, perSecond = '0'] = /^readrandom\s.*?(\d+) ops\/sec/m.exec(printed) ?? [];
  return { readsPerSecond: Number(perSecond), p99Ms: null };
}

export const bench = defineBench({
  about:
    'Random reads of data larger than memory: the disk tier, fio, lmdb and RocksDB; needs root',
  needs: [FIO, DB_BENCH],
  settings: {
    rows: { whole: 1_300_000, short: 50_000 },
    memory: { whole: 320, short: 320 },
    rounds: { whole: 3, short: 1 },
    seconds: { whole: 5, short: 1 },
  },
  run({ memory, rounds, rows, seconds }) {
    const folder = tempFolder();
    const { before, remove } = memoryLimit(memory);
    const setup = { folder, rows, seconds, limited: before };
    try {
      run(process.execPath, [SCRIPT, 'fill', folder, String(rows)]);
      fillRocks(setup);
      const all = new Map<string, () => Figures>([
        ['the disk itself (fio, O_DIRECT)', () => ofDisk(setup)],
        ...Object.keys(CONTENDERS).map((name) => [name, () => ofContender(setup, name)] as const),
        ['RocksDB, O_DIRECT', () => ofRocks(setup, true)],
        ['RocksDB, page cache', () => ofRocks(setup, false)],
      ]);
      const found = new Map<string, Figures[]>();
      for (let round = 0; round < rounds; round++) {
        for (const [name, measure] of all) {
          forget(folder);
          found.set(name, [...(found.get(name) ?? []), measure()]);
        }
      }
      return Promise.resolve([tableOf(found, { memory, rows })]);
    } finally {
      remove();
    }
  },
});

function tableOf(
  found: ReadonlyMap<string, readonly Figures[]>,
  { memory, rows }: { readonly memory: number; readonly rows: number },
) {
  const medians = [...found].map(([name, figures]) => {
    const latencies = figures.flatMap(({ p99Ms }) => p99Ms ?? []);
    const rate = median(figures.map(({ readsPerSecond }) => readsPerSecond));
    return { name, rate, p99Ms: latencies.length === 0 ? null : median(latencies) };
  });
  const ofDiskItself = medians[0]?.rate ?? 1;
  const dataMib = Math.round((rows * ROW_BYTES) / 1024 ** 2);
  return {
    caption: `${dataMib} MiB of keys and values, ${memory} MiB of memory; ${THREADS} threads each, lmdb one; medians of the rounds.`,
    labels: ['reads'],
    columns: [
      { title: 'reads/s', digits: 0, better: 'higher' as const },
      { title: 'ratio to the disk', digits: 2, better: 'higher' as const },
      { title: 'p99 at half the rate, ms', digits: 2, better: 'lower' as const },
    ],
    rows: medians.map(({ name, p99Ms, rate }): Row => ({
      what: [name],
      figures: [rate, rate / ofDiskItself, p99Ms],
    })),
  };
}
