// Reads of a user of a secured cluster that go on while others attack it.

import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SteleClient } from '../../../client/stele-client.ts';
import { ReadWindow } from '../readers/read-window.ts';
import { OPEN_VALUE, READER, READER_PASSWORD, ROWS } from './secured-cluster.ts';
import type { SecuredCluster } from './secured-cluster.ts';

const REST_MS = 2;
/** A busy machine is no attack. */
const DEADLINE_MS = 5000;

/** Reads of a user over one connection, a few at a time; every value is compared. */
export class SteadyReads {
  done = 0;
  readonly wrong: string[] = [];
  readonly #client: SteleClient;
  readonly #over = new AbortController();
  readonly #running: Promise<void>;
  #window = new ReadWindow(performance.now());

  constructor(cluster: SecuredCluster) {
    this.#client = new SteleClient({
      seeds: [`127.0.0.1:${cluster.at('master').grpc}`],
      tls: { ca: join(cluster.certs, 'ca.crt') },
      user: READER,
      password: READER_PASSWORD,
      deadlineMs: DEADLINE_MS,
    });
    this.#running = this.#readOn();
  }

  /** What has been read since the last call. */
  lap(): ReturnType<ReadWindow['report']> {
    const report = this.#window.report();
    this.#window = new ReadWindow(performance.now());
    return report;
  }

  async #readOn(): Promise<void> {
    for (let number = 0; !this.#over.signal.aborted; number = (number + 1) % ROWS) {
      const startedMs = performance.now();
      const value = await this.#client.get('open', `key-${number}`).then(String, String);
      const tookMs = performance.now() - startedMs;
      const problem = value === `${OPEN_VALUE}-${number}` ? undefined : value;
      if (problem !== undefined) this.wrong.push(problem);
      this.#window.add({ source: 'library', startedMs, tookMs, retries: 0, problem });
      this.done++;
      await pause(REST_MS);
    }
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#running;
    await this.#client.close();
  }
}
