import Fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { EventStreams } from '../../../master/front/http/event-stream.ts';
import { EventLog } from '../../support/peers/event-log.ts';
import { FakeCluster } from '../../support/peers/fake-cluster.ts';
import { until } from '../../support/process/stele-process.ts';
import { HttpFixture, expectProblem } from './http-fixture.ts';

let log: EventLog;
let http: HttpFixture;

beforeEach(async () => {
  log = new EventLog();
  for (const number of [1, 2, 3]) log.add(number);
  const cluster = new FakeCluster();
  cluster.listEvents = (request, signal) =>
    log.list({ keyspace: '', limit: 100, ...request }, signal);
  http = await HttpFixture.start(cluster);
});

afterEach(() => http.stop());

/** A stream that is being read. */
class Stream {
  text = '';
  isEnded = false;
  status = 0;
  readonly #stop = new AbortController();

  static async open(url: string, headers: Record<string, string> = {}): Promise<Stream> {
    const stream = new Stream();
    const reply = await fetch(`http://127.0.0.1:${await http.port()}${url}`, {
      headers: { accept: 'text/event-stream', ...headers },
      signal: stream.#stop.signal,
    });
    stream.status = reply.status;
    expect(reply.headers.get('content-type')).toMatch(/^text\/event-stream/);
    void stream.#read(reply.body!);
    return stream;
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body) this.text += decoder.decode(chunk, { stream: true });
    } catch {
      // The test closed it.
    }
    this.isEnded = true;
  }

  /** The numbers of the events so far. */
  get numbers(): number[] {
    const data = [...this.text.matchAll(/^event: event\ndata: (.*)$/gm)];
    return data.map(([, json = '']) => (JSON.parse(json) as { number: number }).number);
  }

  has(count: number): Promise<void> {
    return until(`${count} events`, () => this.numbers.length >= count);
  }

  close(): void {
    this.#stop.abort();
  }
}

describe('GET /v1/events as a stream', () => {
  it('begins with the id to resume from, and sends each event with its number as the id', async () => {
    const stream = await Stream.open('/v1/events');
    await until('the first id', () => /^id: 3\n\n/m.test(stream.text));
    log.add(4);
    await stream.has(1);
    expect(stream.text).toMatch(
      /\n\nid: 4\nevent: event\ndata: \{"number":4,"at":.*,"keyspace":"default","node":null,.*\}\n\n/,
    );
    stream.close();
  });

  it('resumes after Last-Event-ID or ?after=, without a gap or a repeat', async () => {
    const stream = await Stream.open('/v1/events?after=0', { 'last-event-id': '1' });
    await stream.has(2);
    log.add(4);
    await stream.has(3);
    expect(stream.numbers).toEqual([2, 3, 4]);
    const other = await Stream.open('/v1/events?after=2');
    await other.has(2);
    expect(other.numbers).toEqual([3, 4]);
    stream.close();
    other.close();
  });

  it('says that events are no longer kept, and that the catalog is an older copy', async () => {
    log.events = log.events.slice(2);
    const stream = await Stream.open('/v1/events?after=1');
    await stream.has(1);
    expect(stream.text).toContain('id: 2\nevent: gap\ndata: {"missed":1}\n\nid: 3\n');
    const ahead = await Stream.open('/v1/events?after=9');
    await until('a gap', () => ahead.text.includes('id: 3\nevent: gap\ndata: {"missed":null}'));
    log.add(4);
    await ahead.has(1);
    expect(ahead.numbers).toEqual([4]);
    stream.close();
    ahead.close();
  });

  it('has only the events of the keyspace that is asked for', async () => {
    const stream = await Stream.open('/v1/events?keyspace=geo&after=1');
    log.add(4);
    log.add(5, 'geo');
    await stream.has(1);
    log.add(6, 'geo');
    await stream.has(2);
    expect(stream.numbers).toEqual([5, 6]);
    stream.close();
  });

  it('stays open while nobody can be asked', async () => {
    const stream = await Stream.open('/v1/events');
    log.error = new SteleError('UNAVAILABLE', 'No master leads.');
    log.wake();
    await until('a comment', () => stream.text.includes(': nobody can be asked'));
    log.error = undefined;
    log.add(4);
    await stream.has(1);
    expect(stream.numbers).toEqual([4]);
    stream.close();
  });

  it('ends when the server closes', async () => {
    const stream = await Stream.open('/v1/events');
    await http.app.close();
    await until('the end', () => stream.isEnded);
  });

  it('is refused for an unknown keyspace, and for another id', async () => {
    const accept = { accept: 'text/event-stream' };
    expectProblem(await http.get('/v1/events?after=x', accept), 400, 'INVALID_ARGUMENT');
    log.error = new SteleError('KEYSPACE_NOT_FOUND', 'There is none.');
    expectProblem(await http.get('/v1/events?keyspace=no', accept), 404, 'KEYSPACE_NOT_FOUND');
  });

  it('is refused beyond so many, until one of them ends', async () => {
    const streams = new EventStreams({ listEvents: log.list.bind(log) }, 1);
    const app = Fastify();
    onTestFinished(() => app.close());
    app.addHook('preClose', (done) => {
      streams.close();
      done();
    });
    app.get('/', async (request, reply) => {
      await streams.serve(request as never, reply);
      return reply;
    });
    const url = await app.listen();
    const stop = new AbortController();
    const first = await fetch(url, { signal: stop.signal });
    expect(first.status).toBe(200);
    const second = await fetch(url);
    expect(await second.text()).toContain('1 clients follow the events already');
    stop.abort();
    await until('the place', async () => {
      const reply = await fetch(url);
      await reply.body?.cancel();
      return reply.status === 200;
    });
  });
});
