// Announces this node to its master, and again whenever the master has been silent for a while: at
// the start, after a master came up with an empty memory, after this node's address changed.

import { sleep } from '../base/clock.ts';
import type { Time } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DialIdentity } from '../transport/dial-identity.ts';
import { MasterChannel } from '../transport/master-channel.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { RegisterNodeRequest, RegisterNodeResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { CallOptions, Registrar } from '../proto/ports.ts';
import { FORMAT_VERSION } from '../segment/layout.ts';
import type { Datanode } from './node.ts';

const CALL_DEADLINE_MS = 2000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1000;
/** Between two warnings of the same words; */
const WARN_AGAIN_MS = 60_000;
/** of other words, because each moment of an election has its own. */
const WARN_OTHERS_MS = 10_000;
/** Silence of the master after which the node announces itself again. */
const SILENCE_MS = 3000;

/** Registers with a master over gRPC; `masters` as for --master. */
export class GrpcRegistrar implements Registrar {
  readonly #masters: MasterChannel<ClusterServiceClient>;

  constructor(masters: string, identity: DialIdentity = {}) {
    const peerOf = (address: string): string => `the master at ${address}`;
    this.#masters = new MasterChannel(ClusterServiceClient, masters, { ...identity, peerOf });
  }

  registerNode(request: RegisterNodeRequest, options: CallOptions): Promise<RegisterNodeResponse> {
    return this.#masters.call((client) => client.registerNode.bind(client), request, {
      ...options,
      isRepeatable: true,
    });
  }

  close(): void {
    this.#masters.close();
  }
}

/** The node's zone, and its weight relative to the others. */
export interface Place {
  readonly zone: string;
  readonly weight: number;
}

/** Keeps `node` registered until `signal` aborts. Failures are logged, never thrown. */
export async function keepRegistered(
  node: Datanode,
  registrar: Registrar,
  place: Place,
  log: Logger,
  signal: AbortSignal,
  time: Time,
): Promise<void> {
  let retryMs = RETRY_MS_MIN;
  let warned: Warning | undefined;
  while (!signal.aborted) {
    if (isHeard(node, time)) {
      retryMs = RETRY_MS_MIN;
      warned = undefined;
      await sleep(RETRY_MS_MAX, signal, time);
      continue;
    }
    try {
      await register(node, registrar, place, signal);
      await sleep(SILENCE_MS, signal, time);
    } catch (thrown) {
      if (signal.aborted) return;
      node.contact.noAnswer();
      node.checkContact(time.nowMs());
      const error = toSteleError(thrown);
      const isNews = isWorthTelling(error, warned, time.nowMs());
      if (isNews) warned = { error, atMs: time.nowMs() };
      log[isNews ? 'warn' : 'debug'](
        { code: error.code },
        `not registered, retrying: ${error.message}`,
      );
      await sleep(retryMs, signal, time);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
  }
}

interface Warning {
  readonly error: SteleError;
  readonly atMs: number;
}

function isWorthTelling(error: SteleError, warned: Warning | undefined, nowMs: number): boolean {
  // A master that refuses this node is another matter than one that is away.
  if (warned?.error.retryable !== error.retryable) return true;
  const isSame = warned.error.message === error.message;
  return nowMs - warned.atMs >= (isSame ? WARN_AGAIN_MS : WARN_OTHERS_MS);
}

function isHeard(node: Datanode, time: Time): boolean {
  const at = node.contact.heardAtMs;
  return at !== undefined && time.nowMs() - at < SILENCE_MS;
}

async function register(
  node: Datanode,
  registrar: Registrar,
  place: Place,
  signal: AbortSignal,
): Promise<void> {
  const { identity } = node;
  const response = await registrar.registerNode(
    {
      nodeId: identity.nodeId,
      incarnation: identity.incarnation,
      address: node.address,
      zone: place.zone,
      weight: place.weight,
      segmentFormat: FORMAT_VERSION,
      clusterId: identity.clusterId,
    },
    { deadlineMs: CALL_DEADLINE_MS, signal },
  );
  if (response.clusterId === '') throw new SteleError('INTERNAL', 'The master has no cluster id.');
  identity.note(response.clusterId, response.epoch, response.term);
}
