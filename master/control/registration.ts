// Registration of datanodes. Accepts
//
//   - a node of this cluster, or a new one, that reads the segment format;
//   - under an id that no other living process has: if another incarnation of it is known, that one is
//     probed first. The new one is accepted only if the other is silent or answers as the new one.

import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
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

/** Time for the earlier incarnation of a node to answer. */
const PROBE_DEADLINE_MS = 1_000;
const PORT_MAX = 65_535;
const LOGGED_MAX = 1_000;

export class NodeRegistrar implements Registrar {
  readonly #leader: Leader;
  readonly #log: Logger;
  /** The last refusal of each node that was logged. A node asks again every second. */
  readonly #logged = new Map<string, string>();

  constructor(leader: Leader, log: Logger) {
    this.#leader = leader;
    this.#log = log;
  }

  /** Throws INVALID_ARGUMENT, UNKNOWN_FORMAT and WRONG_NODE, each with the action to take. */
  async registerNode(
    request: RegisterNodeRequest,
    _options?: CallOptions,
  ): Promise<RegisterNodeResponse> {
    const record = recordOf(request);
    const cluster = clusterOf(this.#leader.catalog.state);
    if (request.clusterId !== '' && request.clusterId !== cluster.id) {
      throw this.#ofAnotherCluster(record.id, request.clusterId);
    }
    await this.#refuseDouble(record);
    await this.#leader.catalog.update((state) => recordNode(state, record));
    this.#leader.roster.follow(record);
    const { epoch, term } = this.#leader.header(record.id);
    return { clusterId: cluster.id, epoch, term };
  }

  /**
   * It may be that the datanode is in the wrong place, or that this master has lost its catalog.
   */
  #ofAnotherCluster(id: string, clusterId: string): SteleError {
    const { state } = this.#leader.catalog;
    const whose = `The data folder of datanode ${id} belongs to cluster ${shorten(clusterId)}`;
    const own = clusterOf(state).id;
    const text =
      state.keyspace.size > 0
        ? `${whose}, this is cluster ${own}; start it with another --master or an empty --data-dir.`
        : `${whose}, and the catalog of the master is empty (cluster ${own}): it was lost, or --etcd-prefix or --data-dir of the master names another one. Correct that, or restore the catalog from a backup with \`stele metadata restore\`; the data of the datanode stays. Only if that is not wanted, start the datanode with another --master or an empty --data-dir.`;
    if (this.#logged.get(id) !== clusterId) this.#log.error({ node: id, code: 'WRONG_NODE' }, text);
    // Ids are the callers' choice.
    if (this.#logged.size >= LOGGED_MAX) this.#logged.clear();
    this.#logged.set(id, clusterId);
    return new SteleError('WRONG_NODE', text);
  }

  async #refuseDouble(record: Omit<NodeRecord, 'drain'>): Promise<void> {
    const { roster } = this.#leader;
    const known = roster.get(record.id);
    const link = roster.connections.probe(record.id);
    if (known === undefined || link === undefined || known.incarnation === record.incarnation)
      return;
    const header = { ...this.#leader.header(record.id), incarnation: '' };
    const answer = await link.heartbeat({ header }, { deadlineMs: PROBE_DEADLINE_MS }).catch(() => {
      // Expected: the earlier incarnation has ended.
      return undefined;
    });
    if (answer?.nodeId !== record.id || answer.incarnation === record.incarnation) return;
    throw new SteleError(
      'WRONG_NODE',
      `A datanode ${record.id} already runs at ${known.address.host}:${known.address.grpcPort}; give this one another --id, or stop the other first.`,
    );
  }
}

function recordOf(request: RegisterNodeRequest): Omit<NodeRecord, 'drain'> {
  const { address, incarnation, zone, segmentFormat, weight } = request;
  const id = parseNodeId(request.nodeId);
  const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port <= PORT_MAX;
  if (address === undefined || address.host === '' || !isPort(address.grpcPort)) {
    throw new SteleError('INVALID_ARGUMENT', `Datanode ${id} announces no address.`);
  }
  if (incarnation === '') {
    throw new SteleError('INVALID_ARGUMENT', `Datanode ${id} announces no incarnation.`);
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
    ...(segmentFormat === 1 ? {} : { segmentFormat }),
  };
}
