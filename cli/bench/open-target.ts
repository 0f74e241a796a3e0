// Connects `stele bench` to what it reads from, and gets the keys to read.

import { splitAddress } from '../../base/address.ts';
import { SteleError } from '../../base/errors.ts';
import { RespClient } from '../../client/resp-client.ts';
import { SteleClient } from '../../client/stele-client.ts';
import { clientIdentity, credentialsOf, respLoginOf } from '../../transport/client-identity.ts';
import type { UserSettings } from '../../transport/client-identity.ts';
import { clientTls } from '../../transport/tls/open-tls.ts';
import { tlsSource } from '../../transport/tls/tls-settings.ts';
import type { TlsSettings } from '../../transport/tls/tls-settings.ts';
import { httpReads } from './http-reads.ts';
import { keysInFile, requireKeys, scannedKeys } from './keys.ts';
import { LibraryTarget } from './library-target.ts';
import { PipelinedTarget } from './pipelined-target.ts';
import type { ReadTarget } from './read-target.ts';
import { respReads } from './resp-reads.ts';

export interface TargetSettings extends TlsSettings, UserSettings {
  readonly redis: string;
  /** Empty: not over HTTP. */
  readonly http: string;
  readonly library: boolean;
  readonly master: string;
  readonly keyspace: string | undefined;
  /** `scan`, or a file. */
  readonly keysFrom: string;
  readonly keysMax: number;
  readonly connections: number;
  readonly timeout: number;
}

export interface OpenTarget {
  readonly target: ReadTarget;
  readonly keyCount: number;
}

/** The keyspace that a server of Stele reads from if none is named. */
const DEFAULT_KEYSPACE = 'default';

/** Throws UNAVAILABLE, INPUT_NOT_FOUND, KEYSPACE_NOT_FOUND and INVALID_ARGUMENT. */
export function openTarget(settings: TargetSettings): Promise<OpenTarget> {
  if (settings.library && settings.http !== '') {
    throw new SteleError('INVALID_ARGUMENT', 'Use either --http or --library, not both.');
  }
  if (settings.library) return openLibrary(settings);
  return settings.http === '' ? openResp(settings) : openHttp(settings);
}

async function openResp(settings: TargetSettings): Promise<OpenTarget> {
  const { connections, keysFrom, keysMax, keyspace, redis, timeout: timeoutMs } = settings;
  const { host, port } = splitAddress(redis);
  const tls = clientTls(settings);
  const login = respLoginOf(settings);
  const client = await RespClient.connect(host, port, { tls, replyTimeoutMs: timeoutMs });
  let keys: Buffer[];
  try {
    if (login !== undefined) await done(client, 'AUTH', login.user, login.password);
    if (keyspace !== undefined) await done(client, 'SELECT', keyspace);
    keys =
      keysFrom === 'scan'
        ? requireKeys(
            await scannedKeys(client, keysMax),
            keyspace ?? `the keyspace ${DEFAULT_KEYSPACE}`,
          )
        : keysInFile(keysFrom, keysMax);
  } finally {
    client.close();
  }
  const protocol = respReads(redis, keys, keyspace, login);
  const target = new PipelinedTarget(protocol, { host, port, tls, connections, timeoutMs });
  return { target, keyCount: keys.length };
}

/** Sends a command that must succeed. */
async function done(client: RespClient, ...words: string[]): Promise<void> {
  const reply = await client.send(words);
  if (reply.type !== 'error') return;
  const isRefused = /^(?:NOAUTH|WRONGPASS|NOPERM)\b/.test(reply.text);
  const code = isRefused ? 'PERMISSION_DENIED' : 'KEYSPACE_NOT_FOUND';
  throw new SteleError(code, `${words[0] ?? ''} is refused: ${reply.text}.`);
}

async function openHttp(settings: TargetSettings): Promise<OpenTarget> {
  const { connections, http, keysFrom, keysMax, timeout: timeoutMs } = settings;
  const { keyspace = DEFAULT_KEYSPACE } = settings;
  if (keysFrom === 'scan') {
    const text = 'Over HTTP there is no scan: name a file with one key a line, with --keys-from.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  const { host, port } = splitAddress(http);
  const keys = keysInFile(keysFrom, keysMax);
  const { authorization, tls } = clientIdentity(settings);
  const protocol = httpReads(http, keys, keyspace, authorization?.());
  const target = new PipelinedTarget(protocol, { host, port, tls, connections, timeoutMs });
  return { target, keyCount: keys.length };
}

async function openLibrary(settings: TargetSettings): Promise<OpenTarget> {
  const { keysFrom, keysMax, keyspace = DEFAULT_KEYSPACE, master, timeout } = settings;
  const client = new SteleClient({
    seeds: master.split(','),
    deadlineMs: timeout,
    tls: tlsSource(settings),
    ...credentialsOf(settings),
  });
  try {
    const keys: Buffer[] = [];
    if (keysFrom !== 'scan') keys.push(...keysInFile(keysFrom, keysMax));
    else {
      for await (const key of client.scan(keyspace)) {
        keys.push(Buffer.from(key));
        if (keys.length === keysMax) break;
      }
    }
    const target = new LibraryTarget(requireKeys(keys, keyspace), client, keyspace);
    return { target, keyCount: keys.length };
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
}
