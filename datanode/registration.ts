// Announcing this node to its master, and again whenever the master has not been heard for a while:
// at the start, after a master came up with an empty memory, after this node's address changed.

import { monotonicNowMs, sleep } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { callUnary, openClient } from '../transport/grpc-channel.ts';
import { ClusterServiceClient } from '../proto/gen/stele/v1/cluster.ts';
import type { RegisterNodeRequest, RegisterNodeResponse } from '../proto/gen/stele/v1/cluster.ts';
import type { CallOptions, Registrar } from '../proto/ports.ts';
import { FORMAT_VERSION } from '../segment/layout.ts';
import type { Datanode } from './node.ts';

const CALL_DEADLINE_MS = 2000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 1000;
/** Silence of the master after which the node announces itself again. */
const SILENCE_MS = 3000;

/** Registers with a master over gRPC. */
export class GrpcRegistrar implements Registrar {
  readonly #client: ClusterServiceClient;
  readonly #master: string;

  constructor(master: string) {
    this.#master = master;
    this.#client = openClient(ClusterServiceClient, master);
  }

  registerNode(request: RegisterNodeRequest, options: CallOptions): Promise<RegisterNodeResponse> {
    const method = this.#client.registerNode.bind(this.#client);
    return callUnary(method, request, `the master at ${this.#master}`, options);
  }

  close(): void {
    this.#client.close();
  }
}

/** Where the node is, and its size beside the others. */
interface Place {
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
): Promise<void> {
  let retryMs = RETRY_MS_MIN;
  let told = '';
  while (!signal.aborted) {
    if (isHeard(node)) {
      retryMs = RETRY_MS_MIN;
      told = '';
      await sleep(RETRY_MS_MAX, signal);
      continue;
    }
    try {
      await register(node, registrar, place, signal);
      await sleep(SILENCE_MS, signal);
    } catch (thrown) {
      if (signal.aborted) return;
      node.contact.noAnswer();
      node.checkContact(monotonicNowMs());
      const error = toSteleError(thrown);
      // Once for each reason: a master that is away is away for minutes.
      const level = error.message === told ? 'debug' : 'warn';
      told = error.message;
      log[level](
        { code: error.code },
        `not registered, and tried again until it is: ${error.message}`,
      );
      await sleep(retryMs, signal);
      retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
    }
  }
}

function isHeard(node: Datanode): boolean {
  const at = node.contact.heardAtMs;
  return at !== undefined && monotonicNowMs() - at < SILENCE_MS;
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
