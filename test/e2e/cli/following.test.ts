// Verbs that go on until they are stopped, against a cluster whose master goes away and comes back.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { SteleProcess, until } from '../../support/process/stele-process.ts';

let cluster: TestCluster;

beforeAll(async () => {
  const rows = new VersionedRows(500);
  cluster = await TestCluster.holding(rows, ['prices'], { datanodes: 2, shards: 8 });
}, 120_000);

afterAll(() => cluster?.close());

const run = (...words: string[]): SteleProcess =>
  new SteleProcess([...words, '--master', cluster.masterGrpc]);

async function keep(versions: number): Promise<void> {
  const done = await run('keep', 'prices', String(versions)).finished();
  expect(done).toMatchObject({ code: 0 });
}

async function restartMaster(): Promise<void> {
  await cluster.kill('master');
  await cluster.startMaster();
  await cluster.status('green');
}

test('events -f has every event once and in order, also over a restart of the master, and ends with 130', async () => {
  const following = run('events', '-f', '--limit', '1000', '-o', 'json');
  const stream = new EventStream();
  await stream.open(cluster.url('/v1/events?after=0'));
  await following.printed(/"what":"commit"/);
  await keep(5);
  await following.printed(/"what":"keep".*"to":"5"/);
  await restartMaster();
  await keep(6);
  await following.printed(/"what":"keep".*"to":"6"/, 60_000);
  await stream.reopen(cluster.url('/v1/events'));
  await until('the stream', () => stream.text.includes('"to":"6"'));
  const done = await following.kill('SIGINT');
  expect(done.code).toBe(130);
  const numbers = [...done.stdout.matchAll(/"number":([0-9]+)/g)].map((match) => Number(match[1]));
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
  expect(done.stderr.trim().split('\n')).toHaveLength(1);
  expect(JSON.parse(done.stderr)).toHaveProperty('notice.message');
  // The stream, resumed by its last id, has the same events.
  expect(stream.numbers).toEqual(numbers);
  stream.close();
}, 180_000);

test('--watch prints what has changed, one document a line, and ends with 130', async () => {
  const watching = run('keyspaces', '--watch=200ms', '-o', 'json');
  await watching.printed(/\n/);
  await keep(7);
  await watching.printed(/"keep":7/);
  await restartMaster();
  await keep(8);
  await watching.printed(/"keep":8/, 60_000);
  const { code, stdout } = await watching.kill('SIGINT');
  expect(code).toBe(130);
  const documents = stdout.trimEnd().split('\n');
  for (const text of documents) expect(JSON.parse(text)).toMatchObject([{ name: 'prices' }]);
  for (const [at, text] of documents.entries()) expect(text).not.toBe(documents[at + 1]);
}, 180_000);

/** What a browser does: it goes on after the last id. */
class EventStream {
  text = '';
  #stop = new AbortController();
  #done: Promise<void> = Promise.resolve();

  async open(url: string, headers: Record<string, string> = {}): Promise<void> {
    const { signal } = this.#stop;
    const reply = await fetch(url, {
      signal,
      headers: { accept: 'text/event-stream', ...headers },
    });
    expect(reply.status).toBe(200);
    this.#done = this.#read(reply.body!);
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of body) this.text += Buffer.from(chunk).toString();
    } catch {
      // The master is gone, or the test has closed it.
    }
  }

  async reopen(url: string): Promise<void> {
    await this.#done;
    const last = [...this.text.matchAll(/^id: ([0-9]+)$/gm)].at(-1)?.[1] ?? '';
    await this.open(url, { 'last-event-id': last });
  }

  get numbers(): number[] {
    const data = [...this.text.matchAll(/^event: event\ndata: (.*)$/gm)];
    return data.map(([, json = '']) => (JSON.parse(json) as { number: number }).number);
  }

  close(): void {
    this.#stop.abort();
  }
}
