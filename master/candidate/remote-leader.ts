/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// The leader in another process: what a master that follows, or a query node, passes on to it, in
// the name of who asked.
//
// If the leader dies with a call, nobody knows whether it was carried out. Where that matters, the
// caller gets OUTCOME_UNKNOWN; UNAVAILABLE otherwise: the call changes nothing, or may be repeated.

import type { Client } from '@grpc/grpc-js';
import { AccessServiceClient } from '../../proto/gen/stele/v1/access.ts';
import { NO_USERS } from '../../access/access-list.ts';
import { ClusterServiceClient } from '../../proto/gen/stele/v1/cluster.ts';
import { LoadServiceClient } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import type { LeaderCalls } from '../../proto/operations.ts';
import { SteleError } from '../../base/errors.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import type { UnaryMethod } from '../../transport/grpc-channel.ts';
import { MasterChannel } from '../../transport/master-channel.ts';
import { failureOf, outcomeUnknownError } from '../../transport/master-errors.ts';
import { MUST_LEAD, currentActor } from '../callers/actor.ts';

const DEADLINE_MS = 10_000;
const REGISTER_DEADLINE_MS = 5_000;
/** Of calls that wait for datanodes; the caller may end them earlier. */
const LONG_DEADLINE_MS = 120_000;
/** A bucket with a million objects is listed in minutes. */
const CLEAN_DEADLINE_MS = 900_000;
const WAIT_SLACK_MS = 2_000;

/** A call that may be carried out twice. */
const REPEATABLE: CallSettings = { isRepeatable: true };
const ONCE: CallSettings = { isRepeatable: false };

interface CallSettings {
  readonly isRepeatable: boolean;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

type Ask<Of extends Client> = <Request, Response>(
  methodOf: (client: Of) => UnaryMethod<Request, Response>,
  request: Request,
  settings: CallSettings,
) => Promise<Response>;

/**
 * Connects to the leader at `masters` (HOST:PORT) or, through any of the masters in that list, to
 * the one that leads.
 */
export function connectLeader(
  masters: string,
  {
    via = 'the leader',
    ...identity
  }: DialIdentity & { readonly via?: 'the leader' | 'any master' } = {},
): LeaderCalls & { close(): void } {
  const demand = via === 'the leader' ? ` ${MUST_LEAD}` : '';
  const askOn =
    <Of extends Client>(channel: MasterChannel<Of>): Ask<Of> =>
    async (methodOf, request, { deadlineMs = DEADLINE_MS, isRepeatable, signal }) => {
      const { address, door, who } = currentActor();
      const options = {
        deadlineMs,
        isRepeatable,
        ...(signal === undefined ? {} : { signal }),
        user: who,
        forwardedFor: `${door} ${address}${demand}`,
      };
      try {
        return await channel.call(methodOf, request, options);
      } catch (thrown) {
        if (via === 'any master' || !(thrown instanceof SteleError)) throw thrown;
        throw explain(thrown, masters, isRepeatable);
      }
    };
  const cluster = new MasterChannel(ClusterServiceClient, masters, identity);
  const load = new MasterChannel(LoadServiceClient, masters, identity);
  const access = new MasterChannel(AccessServiceClient, masters, identity);
  const ask = askOn(cluster);
  return {
    operations: { ...questionsOf(ask), ...changesOf(ask) },
    registrar: {
      registerNode: (request) =>
        ask((client) => client.registerNode, request, longer(REGISTER_DEADLINE_MS)),
    },
    loads: loadsOf(askOn(load)),
    access: accessOf(askOn(access)),
    close: () => {
      access.close();
      cluster.close();
      load.close();
    },
  };
}

type Operations = LeaderCalls['operations'];
type Question =
  'health' | 'explain' | 'diffVersions' | 'readCounters' | `get${string}` | `list${string}`;
type Questions = Pick<Operations, keyof Operations & Question>;

function questionsOf(ask: Ask<ClusterServiceClient>): Questions {
  return {
    health: (request, signal) => {
      const deadlineMs = Math.max(DEADLINE_MS, request.timeoutMs + WAIT_SLACK_MS);
      return ask((client) => client.getHealth, request, longer(deadlineMs, signal));
    },
    listKeyspaces: () => ask((client) => client.listKeyspaces, {}, REPEATABLE),
    listEvents: (request, signal) => {
      const deadlineMs = Math.max(DEADLINE_MS, (request.waitMs ?? 0) + WAIT_SLACK_MS);
      return ask((client) => client.listEvents, request, longer(deadlineMs, signal));
    },
    readCounters: () => ask((client) => client.getReadCounters, {}, REPEATABLE),
    listVersions: (request) => ask((client) => client.listVersions, request, REPEATABLE),
    getArchive: () => ask((client) => client.getArchive, {}, REPEATABLE),
    listLoads: (request) => ask((client) => client.listLoads, request, REPEATABLE),
    getLoad: async (request) => loadOf(await ask((client) => client.getLoad, request, REPEATABLE)),
    diffVersions: (request, signal) =>
      ask((client) => client.diffVersions, request, longer(LONG_DEADLINE_MS, signal)),
    listHotKeys: (request) => ask((client) => client.listHotKeys, request, REPEATABLE),
    getCost: (request) => ask((client) => client.getCost, request, REPEATABLE),
    listNodes: () => ask((client) => client.listNodes, {}, REPEATABLE),
    listShards: () => ask((client) => client.listShards, {}, REPEATABLE),
    listMasters: () => ask((client) => client.listMasters, {}, REPEATABLE),
    explain: (request) => ask((client) => client.explain, request, REPEATABLE),
    getRecords: (request) => ask((client) => client.getRecords, request, REPEATABLE),
    getManifest: (request) => ask((client) => client.getManifest, request, REPEATABLE),
  };
}

function changesOf(ask: Ask<ClusterServiceClient>): Omit<Operations, keyof Questions> {
  const onNode =
    (methodOf: (client: ClusterServiceClient) => UnaryMethod<{ nodeId: string }, unknown>) =>
    async (nodeId: string): Promise<void> =>
      void (await ask(methodOf, { nodeId }, ONCE));
  const empty =
    <Request>(methodOf: (client: ClusterServiceClient) => UnaryMethod<Request, unknown>) =>
    async (request: Request): Promise<void> =>
      void (await ask(methodOf, request, ONCE));
  const removed = empty((client: ClusterServiceClient) => client.removeNode);
  const steppedDown = empty((client: ClusterServiceClient) => client.stepDown);
  return {
    rollback: (request) => ask((client) => client.rollback, request, ONCE),
    promote: (request) => ask((client) => client.promote, request, ONCE),
    dropVersion: empty((client) => client.dropVersion),
    setKeep: (request) => ask((client) => client.setKeep, request, ONCE),
    setCache: (request) => ask((client) => client.setCache, request, ONCE),
    setTier: (request) => ask((client) => client.setTier, request, ONCE),
    setReplication: (request) => ask((client) => client.setReplication, request, ONCE),
    cleanArchive: (request) =>
      ask((client) => client.cleanArchive, request, longer(CLEAN_DEADLINE_MS)),
    cancelLoad: async (request) => loadOf(await ask((client) => client.cancelLoad, request, ONCE)),
    createKeyspace: (request) => ask((client) => client.createKeyspace, request, REPEATABLE),
    dropKeyspace: empty((client) => client.dropKeyspace),
    suspendKeyspace: empty((client) => client.suspendKeyspace),
    resumeKeyspace: empty((client) => client.resumeKeyspace),
    drainNode: onNode((client) => client.drainNode),
    resumeNode: onNode((client) => client.resumeNode),
    restartNode: onNode((client) => client.restartNode),
    removeNode: (nodeId, force) => removed({ nodeId, force }),
    stepDown: () => steppedDown({}),
  };
}

/**
 * A load that begins twice replaces itself, and a commit that is made already is answered again.
 */
function loadsOf(ask: Ask<LoadServiceClient>): LeaderCalls['loads'] {
  return {
    beginLoad: (request) => ask((client) => client.beginLoad, request, REPEATABLE),
    reportProgress: (request) => ask((client) => client.reportProgress, request, REPEATABLE),
    commitLoad: (request) => ask((client) => client.commitLoad, request, longer(LONG_DEADLINE_MS)),
    abortLoad: async (request) =>
      void (await ask((client) => client.abortLoad, request, REPEATABLE)),
  };
}

function accessOf(ask: Ask<AccessServiceClient>): LeaderCalls['access'] {
  const empty =
    <Request>(methodOf: (client: AccessServiceClient) => UnaryMethod<Request, unknown>) =>
    async (request: Request): Promise<void> =>
      void (await ask(methodOf, request, ONCE));
  const userRemoved = empty((client: AccessServiceClient) => client.removeUser);
  const roleRemoved = empty((client: AccessServiceClient) => client.removeRole);
  const tokenRevoked = empty((client: AccessServiceClient) => client.revokeToken);
  return {
    accessList: async () => {
      const { list } = await ask((client) => client.getAccessList, {}, REPEATABLE);
      return list ?? NO_USERS;
    },
    listUsers: () => ask((client) => client.listUsers, {}, REPEATABLE),
    addUser: empty((client) => client.addUser),
    changeUser: empty((client) => client.changeUser),
    removeUser: (name) => userRemoved({ name }),
    listRoles: () => ask((client) => client.listRoles, {}, REPEATABLE),
    putRole: empty((client) => client.putRole),
    removeRole: (name) => roleRemoved({ name }),
    createToken: (request) => ask((client) => client.createToken, request, ONCE),
    listTokens: (request) => ask((client) => client.listTokens, request, REPEATABLE),
    revokeToken: (id) => tokenRevoked({ id }),
  };
}

function longer(deadlineMs: number, signal?: AbortSignal): CallSettings {
  return { ...REPEATABLE, deadlineMs, signal };
}

function loadOf({ load }: { readonly load: LoadStatus | undefined }): LoadStatus {
  if (load === undefined) throw new SteleError('INTERNAL', 'The leader described no load.');
  return load;
}

function explain(error: SteleError, address: string, isRepeatable: boolean): SteleError {
  const failure = failureOf(error);
  if (failure === 'answered' || failure === 'refused') return error;
  if (!isRepeatable && failure !== 'not sent') return outcomeUnknownError(error, address);
  return new SteleError(
    'UNAVAILABLE',
    `The leader at ${address} does not answer; the masters elect another one within seconds, unless it comes back. Try again.`,
  );
}
