// Every gRPC method x every caller: what is not allowed does not reach its handler.

import { Metadata } from '@grpc/grpc-js';
import type { Client, ServiceDefinition } from '@grpc/grpc-js';
import { makeGenericClientConstructor } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Access } from '../../access/access.ts';
import { GRPC_METHODS } from '../../access/grpc-methods.ts';
import { SteleError } from '../../base/errors.ts';
import { AccessServiceService } from '../../proto/gen/stele/v1/access.ts';
import { ClusterServiceService } from '../../proto/gen/stele/v1/cluster.ts';
import { DatanodeServiceService } from '../../proto/gen/stele/v1/datanode.ts';
import { LoadServiceService } from '../../proto/gen/stele/v1/load.ts';
import { LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import { openClient } from '../../transport/grpc-channel.ts';
import { steleErrorFromGrpc, toGrpcError } from '../../transport/grpc-errors.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { CALLERS, accessOfRoles, authorizationOf, refusalOf } from './roles.ts';
import type { Asked, Caller } from './roles.ts';

const SERVICES: Readonly<Record<string, ServiceDefinition>> = {
  ClusterService: ClusterServiceService,
  LoadService: LoadServiceService,
  AccessService: AccessServiceService,
  DatanodeService: DatanodeServiceService,
  LookupService: LookupServiceService,
};

/**
 * Written down once more, so that a change of the table is noticed. `*`: about no keyspace alone.
 */
const EXPECTED: Readonly<Record<string, readonly [asked: Asked, about?: '*']>> = {
  RegisterNode: ['cluster'],
  GetView: ['user'],
  WatchView: ['user'],
  GetHealth: ['user'],
  ListKeyspaces: ['user'],
  GetKeyspace: ['read'],
  ListEvents: ['operate', '*'],
  ListAudit: ['admin', '*'],
  ListVersions: ['read'],
  Rollback: ['load'],
  Promote: ['load'],
  DropVersion: ['operate'],
  SetKeep: ['load'],
  SetCache: ['operate'],
  SetTier: ['operate'],
  SetReplication: ['operate'],
  ListLoads: ['read'],
  GetLoad: ['read'],
  CancelLoad: ['load'],
  DiffVersions: ['read'],
  ListHotKeys: ['read'],
  GetCost: ['read'],
  CreateKeyspace: ['load'],
  DropKeyspace: ['operate'],
  SuspendKeyspace: ['operate'],
  ResumeKeyspace: ['operate'],
  ListNodes: ['user'],
  GetNode: ['user'],
  ListShards: ['user'],
  Explain: ['read'],
  DrainNode: ['operate', '*'],
  ResumeNode: ['operate', '*'],
  RestartNode: ['operate', '*'],
  RemoveNode: ['operate', '*'],
  ListMasters: ['user'],
  GetReadCounters: ['user'],
  GetArchive: ['operate', '*'],
  CleanArchive: ['operate', '*'],
  StepDown: ['operate', '*'],
  GetRecords: ['operate', '*'],
  GetManifest: ['read'],
  BeginLoad: ['load'],
  ReportProgress: ['load'],
  CommitLoad: ['load'],
  AbortLoad: ['load'],
  ListUsers: ['admin', '*'],
  AddUser: ['admin', '*'],
  ChangeUser: ['admin', '*'],
  RemoveUser: ['admin', '*'],
  ListRoles: ['admin', '*'],
  PutRole: ['admin', '*'],
  RemoveRole: ['admin', '*'],
  // For others than the caller itself.
  CreateToken: ['admin', '*'],
  ListTokens: ['user'],
  RevokeToken: ['admin', '*'],
  GetAccessList: ['cluster'],
  Heartbeat: ['cluster'],
  ListHoldings: ['cluster'],
  ApplyView: ['cluster'],
  PutManifest: ['cluster'],
  CopySegments: ['cluster'],
  DropSegments: ['cluster'],
  Restart: ['cluster'],
  ScanKeys: ['read'],
  MeasureDeltas: ['cluster'],
  ArchiveSegments: ['cluster'],
  MergeSegments: ['cluster'],
  DiffShards: ['cluster'],
  GetHotKeys: ['cluster'],
  MeasureRecords: ['cluster'],
  CountReads: ['cluster'],
  Lookup: ['read'],
};

const METHODS = Object.entries(SERVICES).flatMap(([service, definition]) =>
  Object.values(definition).map(({ path }) => ({
    service,
    path,
    name: path.split('/')[2] ?? '',
  })),
);

let server: GrpcServer;
let access: Access;
let port = 0;
let reached = 0;

beforeAll(async () => {
  access = await accessOfRoles();
  server = new GrpcServer(undefined, undefined, { access, keyspaceOf: (_, value) => value });
  for (const definition of Object.values(SERVICES)) {
    const error = toGrpcError(new SteleError('CONFLICT', 'The handler was reached.'));
    const handler = (asked: NodeJS.EventEmitter, callback?: (error: Error) => void) => {
      reached++;
      if (callback === undefined) asked.emit('error', error);
      else callback(error);
    };
    const names = Object.keys(definition);
    server.addService(definition, Object.fromEntries(names.map((name) => [name, handler])));
  }
  port = await server.listen('127.0.0.1', 0, '--grpc-port');
});

afterAll(async () => {
  for (const client of clients.values()) client.close();
  await server.close(0);
});

const clients = new Map<string, Client>();

/** A client of a service, one for each caller. */
function clientOf(caller: Caller, service: string): Client {
  const Of = makeGenericClientConstructor(SERVICES[service] ?? {}, service);
  const authorization = authorizationOf(caller);
  const client =
    clients.get(`${caller} ${service}`) ??
    openClient(Of, `127.0.0.1:${port}`, {
      authorization: authorization === undefined ? undefined : () => authorization,
    });
  clients.set(`${caller} ${service}`, client);
  return client;
}

/** The code of the answer. */
async function call(
  caller: Caller,
  { name, service }: (typeof METHODS)[number],
  about: string,
  fields: Readonly<Record<string, string>> = {},
) {
  const definition = SERVICES[service] ?? {};
  const client = clientOf(caller, service);
  const [key = '', method] =
    Object.entries(definition).find(([, { path }]) => path.endsWith(`/${name}`)) ?? [];
  const request = method?.requestDeserialize(Buffer.alloc(0)) as Record<string, unknown>;
  for (const field of ['keyspace', 'keyspaceUid', 'loadId']) {
    if (field in request) request[field] = about;
  }
  Object.assign(request, fields);
  // A user must not be able to act for somebody else.
  const metadata = new Metadata();
  metadata.set('stele-user', 'admin');
  return new Promise<string>((resolve) => {
    const done = (thrown: Error): void => resolve(steleErrorFromGrpc(thrown, 'the server').code);
    const options = { deadline: Date.now() + 20_000 };
    const begin = (
      client as unknown as Record<string, (...words: unknown[]) => NodeJS.EventEmitter>
    )[key]?.bind(client);
    if (method?.responseStream === true) {
      const stream = begin?.(request, metadata, options);
      stream?.on('error', done);
      stream?.on('data', () => undefined);
    } else begin?.(request, metadata, options, done);
  });
}

it('knows every method of every service, and no other', () => {
  expect(METHODS.map(({ name }) => name).sort()).toEqual(Object.keys(EXPECTED).sort());
  const others = [...GRPC_METHODS.keys()].filter(
    (path) => !METHODS.some((method) => method.path === path),
  );
  // Health and reflection.
  expect(others.every((path) => path.startsWith('/grpc.'))).toBe(true);
});

describe.each(['geo', 'prices'])('calls about keyspace %s', (keyspace) => {
  it.each(CALLERS)('by %s reach what they are allowed to, and nothing else', async (caller) => {
    const before = reached;
    let allowed = 0;
    const answers = await Promise.all(
      METHODS.map(async (method) => {
        const [asked = 'cluster', about] = EXPECTED[method.name] ?? [];
        const refusal = refusalOf(caller, asked, about === undefined ? keyspace : undefined);
        if (refusal === undefined) allowed++;
        const answer = await call(caller, method, keyspace);
        return answer === (refusal ?? 'CONFLICT') ? '' : `${method.name}: ${answer}`;
      }),
    );
    expect(answers.filter((text) => text !== '')).toEqual([]);
    expect(reached - before).toBe(allowed);
  });
});

it('lets users make and revoke tokens of their own, but a token makes no further ones', async () => {
  const method = (name: string): (typeof METHODS)[number] => {
    const found = METHODS.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no method ${name}`);
    return found;
  };
  const create = (caller: Caller, user: string) =>
    call(caller, method('CreateToken'), '', { user });
  expect(await create('geo', 'geo')).toBe('CONFLICT');
  expect(await create('geo', 'reader')).toBe('PERMISSION_DENIED');
  expect(await create('geo', '')).toBe('PERMISSION_DENIED');
  expect(await create('token', 'geo')).toBe('PERMISSION_DENIED');
  expect(await create('jwt', 'jwt:robot')).toBe('PERMISSION_DENIED');
  expect(await create('admin', 'geo')).toBe('CONFLICT');
  const of = (user: string): string =>
    access.list.tokens.find((token) => token.user === user)?.id ?? '';
  const revoke = (caller: Caller, id: string) => call(caller, method('RevokeToken'), '', { id });
  expect(await revoke('geo', of('geo'))).toBe('CONFLICT');
  expect(await revoke('token', of('geo'))).toBe('CONFLICT');
  expect(await revoke('geo', of('admin'))).toBe('PERMISSION_DENIED');
  expect(await revoke('geo', 'no such id')).toBe('PERMISSION_DENIED');
  expect(await revoke('admin', of('geo'))).toBe('CONFLICT');
});
