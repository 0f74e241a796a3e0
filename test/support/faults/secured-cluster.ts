// A cluster of `stele up` with users, with TLS or without, and who attacks it may be.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clientTls } from '../../../transport/tls/open-tls.ts';
import type { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { ANY_PORTS, SteleProcess, flags, stele } from '../process/stele-process.ts';
import type { Addresses } from '../process/stele-process.ts';

/** In keyspace `open`, which `reader` may read. */
export const OPEN_VALUE = 'value-of-open';
/** In keyspace `closed`, which only the administrator may read. */
export const CLOSED_VALUE = 'planted-value-of-closed';
export const READER = 'reader';
export const READER_PASSWORD = 'password-of-the-reader';
export const ROWS = 100;
const READY_MS = 60_000;

export class SecuredCluster {
  readonly folder = mkdtempSync(join(tmpdir(), 'stele-secured-'));
  readonly #isTls: boolean;
  #process: SteleProcess | undefined;

  private constructor(isTls: boolean) {
    this.#isTls = isTls;
  }

  /** Two datanodes with both keyspaces, and the user `reader`. */
  static async start(how: 'tls' | 'plain'): Promise<SecuredCluster> {
    const cluster = new SecuredCluster(how === 'tls');
    try {
      await cluster.#start();
    } catch (thrown) {
      await cluster.close();
      throw thrown;
    }
    return cluster;
  }

  async #start(): Promise<void> {
    const loads = [
      ['open', OPEN_VALUE],
      ['closed', CLOSED_VALUE],
    ].map(([keyspace = '', value = '']) => {
      const path = join(this.folder, `${keyspace}.data`);
      const rows = Array.from(
        { length: ROWS },
        (_, number) => `key-${number} ${value}-${number}\n`,
      );
      writeFileSync(path, rows.join(''));
      return `${keyspace}=${path}`;
    });
    const how = this.#isTls ? ['--secure'] : flags({ auth: 'on' });
    const size = flags({ datanodes: 2, replication: 2, shards: 8, load: loads });
    const words = ['up', ...flags({ 'data-dir': this.dataDir }), ...ANY_PORTS, ...size, ...how];
    this.#process = new SteleProcess(words);
    await this.#process.printed(/^ready$/m, READY_MS);
    const password = join(this.folder, 'reader-password');
    writeFileSync(password, READER_PASSWORD, { mode: 0o600 });
    await this.command('role', 'add', 'open', ...flags({ grant: 'read:open' }));
    const own = flags({ role: 'open', 'new-password-file': password });
    await this.command('user', 'add', READER, ...own);
    if (this.#isTls) await this.#certificates();
  }

  /**
   * Of `reader`, of a stranger with the names of a process, and of the authority that signed it.
   */
  async #certificates(): Promise<void> {
    const own = flags({ dir: join(this.dataDir, 'certs') });
    const strange = flags({ dir: join(this.folder, 'elsewhere') });
    await run(['certs', 'client', READER, ...own]);
    await run(['certs', 'init', ...strange]);
    await run(['certs', 'node', '127.0.0.1', 'localhost', ...strange]);
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  get certs(): string {
    return join(this.dataDir, 'certs');
  }

  /** What the processes have written so far. */
  get log(): string {
    return this.#process?.stderr ?? '';
  }

  /** `master`, `datanode node-0` or `datanode node-1`. */
  at(title: string): Addresses {
    const found = this.#process?.addresses().find((one) => one.title === title);
    if (found === undefined) throw new Error(`${title} has printed no address`);
    return found;
  }

  /** Runs a verb as the administrator; returns its stdout. */
  command(...words: string[]): Promise<string> {
    const { grpc } = this.at('master');
    const admin = flags({
      master: `127.0.0.1:${grpc}`,
      user: 'admin',
      'password-file': join(this.dataDir, 'admin-password'),
    });
    const tls = this.#isTls ? flags({ 'tls-ca': join(this.certs, 'ca.crt') }) : [];
    return run([...words, ...admin, ...tls]);
  }

  /**
   * How those appear who trust the cluster: without a certificate, as a user, or as what is not of
   * it.
   */
  identity(who: 'nobody' | 'reader' | 'node' | 'foreign node'): TlsIdentity | undefined {
    if (!this.#isTls) return undefined;
    const elsewhere = join(this.folder, 'elsewhere');
    const files = {
      nobody: undefined,
      reader: join(this.certs, `client.${READER}`),
      node: join(this.certs, 'node'),
      'foreign node': join(elsewhere, 'node'),
    }[who];
    const own = files === undefined ? {} : { tlsCert: `${files}.crt`, tlsKey: `${files}.key` };
    const base = { tls: 'required', tlsCa: join(this.certs, 'ca.crt') } as const;
    return clientTls({ ...base, tlsCert: '', tlsKey: '', ...own });
  }

  async close(): Promise<void> {
    await this.#process?.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function run(words: readonly string[]): Promise<string> {
  const { code, stderr, stdout } = await stele(words);
  if (code !== 0) throw new Error(`stele ${words.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}
