// Logs whose destination is stuck, full or gone: no line may stop the process, or make it wait.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { textLine } from '../../base/log.ts';
import { smallDisk } from '../support/process/small-disk.ts';
import { builtModule } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';

const MODULE = builtModule('base/log.ts');
const LINES = 5000;

/** Logs LINES lines of 300 bytes, prints a line on stdout, then logs `later` repeatedly. */
const SCRIPT = `
  const { createLogger } = await import('${MODULE}');
  const log = createLogger('test', { logLevel: 'info', logFormat: 'json' });
  for (let at = 0; at < ${LINES}; at++) log.info({ at }, 'x'.repeat(300));
  console.log('done');
  setInterval(() => log.info('later'), 20);`;

async function logging(stderr: number | 'pipe') {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    stdio: ['ignore', 'pipe', stderr],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout as Readable, 'data');
  return child;
}

interface Line {
  readonly at?: number;
  readonly lost?: number;
  readonly msg: string;
}

/** All output up to the first `later`. */
async function linesOf(stream: Readable): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const text of createInterface({ input: stream })) {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    if (line.msg === 'later') break;
  }
  return lines;
}

function expectAllReported(lines: readonly Line[]): void {
  const lost = lines.reduce((sum, line) => sum + (line.lost ?? 0), 0);
  const got = lines.filter((line) => line.at !== undefined).map(({ at }) => at ?? -1);
  expect(lost).toBeGreaterThan(0);
  // \`later\` may be among the lost, so the sum may be larger.
  expect(got.length + lost).toBeGreaterThanOrEqual(LINES);
  expect(got.length).toBeGreaterThan(100);
  expect(got).toEqual(got.toSorted((left, right) => left - right));
}

describe('a log', () => {
  test('of a pipe that nobody reads goes on, with what was lost, when somebody does', async () => {
    const path = join(tempDir(), 'fifo');
    expect(spawnSync('mkfifo', [path]).status).toBe(0);
    const child = await logging(openSync(path, 'r+'));
    const stream = createReadStream(path);
    expectAllReported(await linesOf(stream));
    child.kill('SIGKILL');
  });

  test('of a socket that nobody reads does the same', async () => {
    const child = await logging('pipe');
    expectAllReported(await linesOf(child.stderr as Readable));
  });

  test('of a reader that is gone stops nothing', async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stderr.destroy();
    await once(child.stdout, 'data');
    expect(child.exitCode).toBeNull();
  });

  test('of /dev/full stops nothing', async () => {
    const child = await logging(openSync('/dev/full', 'w'));
    expect(child.exitCode).toBeNull();
  });

  const disk = smallDisk(1);
  afterAll(() => disk?.remove());
  test.skipIf(disk === undefined)('on a full disk goes on when there is room', async () => {
    const path = join(disk?.path ?? '', 'log');
    const filler = join(disk?.path ?? '', 'filler');
    writeFileSync(filler, Buffer.alloc(900_000));
    await logging(openSync(path, 'a'));
    rmSync(filler);
    const lines = (): string[] => readFileSync(path, 'utf8').split('\n');
    await expect.poll(() => lines().some((line) => line.includes('"msg":"later"'))).toBe(true);
    expectAllReported(
      lines()
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line),
    );
  });
});

describe('textLine', () => {
  test('has the time, the level, the message, the fields and the stack', () => {
    const line = {
      ...{ level: 40, time: Date.UTC(2026, 0, 2, 3, 4, 5, 678), name: 'master', pid: 7 },
      ...{
        node: 'n 1',
        shards: 3,
        at: { a: 1 },
        msg: 'not taken',
        err: { stack: 'Error: x\n at y' },
      },
    };
    expect(textLine(line)).toBe(
      '2026-01-02T03:04:05.678Z WARN  master[7]: not taken  node="n 1"  shards=3  at={"a":1}\n    Error: x\n     at y\n',
    );
  });
});
