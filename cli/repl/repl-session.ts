// The state of `stele cli` between commands: the connection, and the selected keyspace.
//
// A lost connection is restored at the next command, with the same keyspace selected, to the next
// server of the list if the present one is gone. The command may then be sent twice, which is
// harmless because every command only reads.

import type { Login } from '../../access/basic.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { RespClient } from '../../client/resp-client.ts';
import type { Reply, RespClientOptions } from '../../client/resp-client.ts';
import { hostAndPort } from '../../base/address.ts';
import { ReplyExpectation } from './reply-expectation.ts';
import { keyspaceNamesIn } from './reply-texts.ts';

/** The keyspace that a server reads from if none is selected. */
const DEFAULT_KEYSPACE = 'default';

/** Where a server speaks the Redis protocol. */
export interface SessionAddress {
  readonly host: string;
  readonly port: number;
}

export interface SessionTarget {
  /** At least one. The first that answers is used until it is gone. */
  readonly addresses: readonly SessionAddress[];
  /** Undefined: none was asked for, so none is selected. */
  readonly keyspace: string | undefined;
  /** Whom to log in as; undefined: nobody. */
  readonly login?: Login | undefined;
}

export class CliSession {
  readonly #target: SessionTarget;
  readonly #options: RespClientOptions;
  /** The index of the address that is used, or tried next. */
  #at = 0;
  #connection: RespClient | undefined;
  #selected: string | undefined;
  /** The CLIENT REPLY state of the connection. */
  #replies = new ReplyExpectation();

  constructor(target: SessionTarget, options: RespClientOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.#selected = target.keyspace;
  }

  /** `host:port[keyspace]> `, or that there is no connection. */
  get prompt(): string {
    if (!this.isConnected) return 'not connected> ';
    return `${nameOf(this.#address)}[${this.keyspace}]> `;
  }

  get keyspace(): string {
    return this.#selected ?? DEFAULT_KEYSPACE;
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen === true;
  }

  get #address(): SessionAddress {
    const { addresses } = this.#target;
    return addresses[this.#at % addresses.length] ?? { host: '', port: 0 };
  }

  /**
   * Connects to the first server that answers, and selects the keyspace. Throws SteleError;
   * KEYSPACE_NOT_FOUND lists the existing ones.
   */
  async connect(): Promise<void> {
    const { addresses } = this.#target;
    for (let failed = 1; ; failed++) {
      try {
        return await this.#connectOnce();
      } catch (thrown) {
        if (!isGone(thrown)) throw thrown;
        this.#at++;
        if (failed < addresses.length) continue;
        if (failed === 1) throw thrown;
        const { message } = toSteleError(thrown);
        const text = `None of ${addresses.map(nameOf).join(', ')} answers. The last one: ${message}`;
        throw new SteleError('UNAVAILABLE', text, { cause: thrown });
      }
    }
  }

  async #connectOnce(): Promise<void> {
    const { host, port } = this.#address;
    const connection = await RespClient.connect(host, port, this.#options);
    await this.#logIn(connection);
    if (this.#selected !== undefined) {
      const reply = await connection.send(['SELECT', this.#selected]);
      if (reply.type === 'error') {
        const list = await connection.send(['STELE', 'KEYSPACES']);
        connection.close();
        throw new SteleError(
          'KEYSPACE_NOT_FOUND',
          whyNotSelected(this.#selected, reply.text, list),
        );
      }
    }
    this.#connection = connection;
    this.#replies = new ReplyExpectation();
  }

  async #logIn(connection: RespClient): Promise<void> {
    const { login } = this.#target;
    if (login === undefined) return;
    const reply = await connection.send(['AUTH', login.user, login.password]);
    if (reply.type !== 'error') return;
    connection.close();
    throw new SteleError('UNAUTHENTICATED', `The server refused the login: ${reply.text}`);
  }

  /**
   * Sends a command, and connects first if needed. Returns undefined if CLIENT REPLY suppresses the
   * reply.
   */
  async execute(args: readonly (string | Buffer)[]): Promise<Reply | undefined> {
    const wasConnected = this.isConnected;
    if (!wasConnected) await this.connect();
    try {
      return await this.#send(args);
    } catch (thrown) {
      if (!isGone(thrown)) throw thrown;
      this.#at++;
      const lost = toSteleError(thrown).code === 'UNAVAILABLE';
      if (!lost || !wasConnected) throw thrown;
    }
    await this.connect();
    return this.#send(args);
  }

  /** Sends a command of the REPL itself; undefined while CLIENT REPLY suppresses replies. */
  async ask(args: readonly string[]): Promise<Reply | undefined> {
    return this.isConnected && !this.#replies.isOn ? undefined : await this.execute(args);
  }

  /** The names of the keyspaces; empty if the server does not know the command. */
  async keyspaceNames(): Promise<string[]> {
    const list = await this.ask(['STELE', 'KEYSPACES']);
    return list === undefined ? [] : keyspaceNamesIn(list);
  }

  /**
   * What to tell a user who reads from `default` although it does not exist; undefined if it does.
   */
  async defaultKeyspaceHint(): Promise<string | undefined> {
    if (this.#selected !== undefined) return undefined;
    const list = await this.ask(['STELE', 'KEYSPACES']);
    // The server is not ready, or is not Stele, so its keyspaces are unknown.
    if (list === undefined || list.type === 'error') return undefined;
    const names = keyspaceNamesIn(list);
    return names.includes(DEFAULT_KEYSPACE) ? undefined : missingKeyspace(DEFAULT_KEYSPACE, names);
  }

  /** Cancels the command in flight, which fails with CANCELLED. */
  cancel(): void {
    this.#connection?.cancel();
  }

  close(): void {
    this.#connection?.close();
  }

  async #send(args: readonly (string | Buffer)[]): Promise<Reply | undefined> {
    if (this.#connection === undefined) throw new SteleError('INTERNAL', 'There is no connection.');
    let reply: Reply | undefined;
    if (this.#replies.isAnswered(args)) reply = await this.#connection.send(args);
    else this.#connection.sendOnly(args);
    const [name = '', keyspace] = args.map(String);
    const selects = name.toUpperCase() === 'SELECT' && reply?.type !== 'error';
    if (selects && keyspace !== undefined) this.#selected = keyspace;
    return reply;
  }
}

function nameOf({ host, port }: SessionAddress): string {
  return hostAndPort(host, port);
}

/** Whether the server is lost, or hangs. */
function isGone(thrown: unknown): boolean {
  const { code } = toSteleError(thrown);
  return code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED';
}

/** Lists the existing names, if the server reports them; otherwise repeats its error. */
function whyNotSelected(keyspace: string, refusal: string, list: Reply): string {
  if (list.type === 'error') return `The server refused keyspace '${keyspace}': ${refusal}.`;
  return missingKeyspace(keyspace, keyspaceNamesIn(list));
}

function missingKeyspace(keyspace: string, names: readonly string[]): string {
  if (names.length === 0) {
    return `There is no keyspace '${keyspace}', nor any other; \`stele load KEYSPACE FILE\` makes one.`;
  }
  return `There is no keyspace '${keyspace}'; there is ${names.join(', ')} (choose with \`use\` or -k).`;
}
