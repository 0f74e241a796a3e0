// What `stele cli` keeps between commands: where it is connected, and which keyspace is selected.
//
// A lost connection is made again at the next command, with the same keyspace selected; the
// command is sent a second time then, which is harmless because every command only reads.

import { SteleError } from '../../base/errors.ts';
import { RespConnection } from '../../client/resp-connection.ts';
import type { Reply, RespConnectionOptions } from '../../client/resp-connection.ts';
import { hostPort } from '../words.ts';
import { ReplyMode } from './reply-mode.ts';
import { keyspaceNamesIn } from './reply-texts.ts';

/** What a server reads from when nothing was selected. */
const DEFAULT_KEYSPACE = 'default';

export interface SessionTarget {
  readonly host: string;
  readonly port: number;
  /** undefined: none was asked for, so none is selected. */
  readonly keyspace: string | undefined;
}

export class CliSession {
  readonly #target: SessionTarget;
  readonly #options: RespConnectionOptions;
  #connection: RespConnection | undefined;
  #selected: string | undefined;
  /** Of the connection. */
  #replies = new ReplyMode();

  constructor(target: SessionTarget, options: RespConnectionOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.#selected = target.keyspace;
  }

  /** `host:port[keyspace]> `, or that there is no connection. */
  get prompt(): string {
    const { host, port } = this.#target;
    if (!this.isConnected) return 'not connected> ';
    return `${hostPort(host, port)}[${this.keyspace}]> `;
  }

  get keyspace(): string {
    return this.#selected ?? DEFAULT_KEYSPACE;
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen === true;
  }

  /** Connects and selects the keyspace. Throws SteleError; KEYSPACE_NOT_FOUND lists those there are. */
  async connect(): Promise<void> {
    const { host, port } = this.#target;
    const connection = await RespConnection.connect(host, port, this.#options);
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
    this.#replies = new ReplyMode();
  }

  /** Sends a command; connects (again) first where needed. Undefined where CLIENT REPLY says that none is answered. */
  async execute(args: readonly (string | Buffer)[]): Promise<Reply | undefined> {
    const wasConnected = this.isConnected;
    if (!wasConnected) await this.connect();
    try {
      return await this.#send(args);
    } catch (thrown) {
      const lost = thrown instanceof SteleError && thrown.code === 'UNAVAILABLE';
      if (!lost || !wasConnected) throw thrown;
    }
    await this.connect();
    return this.#send(args);
  }

  /** Asks for something that nobody has typed; undefined while that would not be answered. */
  async ask(args: readonly string[]): Promise<Reply | undefined> {
    return this.isConnected && !this.#replies.isOn ? undefined : await this.execute(args);
  }

  /** The keyspaces there are; empty where the server knows no such thing. */
  async keyspaceNames(): Promise<string[]> {
    const list = await this.ask(['STELE', 'KEYSPACES']);
    return list === undefined ? [] : keyspaceNamesIn(list);
  }

  /** What to tell somebody who reads from `default` where there is none; undefined if there is. */
  async defaultKeyspaceHint(): Promise<string | undefined> {
    if (this.#selected !== undefined) return undefined;
    const list = await this.ask(['STELE', 'KEYSPACES']);
    // Not ready yet, or no Stele: then nothing is known of its keyspaces.
    if (list === undefined || list.type === 'error') return undefined;
    const names = keyspaceNamesIn(list);
    return names.includes(DEFAULT_KEYSPACE) ? undefined : missingKeyspace(DEFAULT_KEYSPACE, names);
  }

  /** Gives up the command in flight: it fails with CANCELLED. */
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

/** The names there are, where the server tells them; its own words otherwise. */
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
