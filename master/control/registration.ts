// A datanode announces itself. Who is let in:
//
//   - a node of this cluster, or a new one, that reads the segment format;
//   - under an id that no other living process has: if another run of it is known, it is asked
//     first, and only when it is silent, or has itself become the new run, the new one is taken.

import { SteleError } from '../../base/errors.ts';
import { nodeId as parseNodeId, shorten } from '../../base/ids.ts';
import { LABEL_CHARACTERS_MAX, WEIGHT_MAX, WEIGHT_MIN } from '../../base/limits.ts';
import type {
  RegisterNodeRequest,
  RegisterNodeResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { CallOptions, Registrar } from '../../proto/ports.ts';
import { recordNode } from '../catalog/cluster-transitions.ts';
import { clusterOf } from '../catalog/queries.ts';
import type { NodeRecord } from '../catalog/records.ts';
import type { Leader } from './leader.ts';

/** The format that loaders write. */
const SEGMENT_FORMAT = 1;
/** How long the earlier run of a node is given to say that it lives. */
const PROBE_DEADLINE_MS = 1_000;
const PORT_MAX = 65_535;

export class NodeRegistrar implements Registrar {
  readonly #leader: Leader;

  constructor(leader: Leader) {
    this.#leader = leader;
  }

  /** Throws INVALID_ARGUMENT, UNKNOWN_FORMAT and WRONG_NODE, each with what to do. */
  async registerNode(
    request: RegisterNodeRequest,
    _options?: CallOptions,
  ): Promise<RegisterNodeResponse> {
    const record = recordOf(request);
    const cluster = clusterOf(this.#leader.catalog.state);
    if (request.clusterId !== '' && request.clusterId !== cluster.id) {
      throw new SteleError(
        'WRONG_NODE',
        `The data folder of datanode ${record.id} belongs to cluster ${shorten(request.clusterId)}, this is cluster ${cluster.id}; start it with another --master or an empty --data-dir.`,
      );
    }
    await this.#refuseDouble(record);
    await this.#leader.catalog.update((state) => recordNode(state, record));
    this.#leader.roster.follow(record);
    const { epoch, term } = this.#leader.header(record.id);
    return { clusterId: cluster.id, epoch, term };
  }

  async #refuseDouble(record: Omit<NodeRecord, 'drain'>): Promise<void> {
    const { roster } = this.#leader;
    const known = roster.get(record.id);
    const link = roster.connections.probe(record.id);
    if (known === undefined || link === undefined || known.incarnation === record.incarnation)
      return;
    const header = { ...this.#leader.header(record.id), incarnation: '' };
    const answer = await link.heartbeat({ header }, { deadlineMs: PROBE_DEADLINE_MS }).catch(() => {
      // Silence is what is hoped for: the earlier run has ended.
      return undefined;
    });
    if (answer?.nodeId !== record.id || answer.incarnation === record.incarnation) return;
    throw new SteleError(
      'WRONG_NODE',
      `A datanode ${record.id} runs already at ${known.address.host}:${known.address.grpcPort}; give this one another --id, or stop the other first.`,
    );
  }
}

function recordOf(request: RegisterNodeRequest): Omit<NodeRecord, 'drain'> {
  const { address, incarnation, zone, segmentFormat, weight } = request;
  const id = parseNodeId(request.nodeId);
  const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= PORT_MAX;
  if (address === undefined || address.host === '' || !isPort(address.grpcPort)) {
    throw new SteleError('INVALID_ARGUMENT', `Datanode ${id} gives no address to reach it at.`);
  }
  if (incarnation === '') {
    throw new SteleError('INVALID_ARGUMENT', `Datanode ${id} names no incarnation.`);
  }
  if (segmentFormat < SEGMENT_FORMAT) {
    throw new SteleError(
      'UNKNOWN_FORMAT',
      `Datanode ${id} reads segment format ${segmentFormat}, the cluster writes ${SEGMENT_FORMAT}; start a newer Stele there.`,
    );
  }
  const { host, httpPort, respPort, grpcPort } = address;
  if (host.length > LABEL_CHARACTERS_MAX || zone.length > LABEL_CHARACTERS_MAX) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `The host or the zone of datanode ${id} has more than ${LABEL_CHARACTERS_MAX} characters; use a shorter name.`,
    );
  }
  if (weight !== 0 && !(weight >= WEIGHT_MIN && weight <= WEIGHT_MAX)) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      `Datanode ${id} has weight ${weight}; start it with a --weight from ${WEIGHT_MIN} to ${WEIGHT_MAX}.`,
    );
  }
  const isUsual = weight === 0 || weight === 1;
  return {
    id,
    incarnation,
    address: { host, httpPort, respPort, grpcPort },
    zone,
    ...(isUsual ? {} : { weight }),
  };
}
