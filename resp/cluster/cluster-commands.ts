// The CLUSTER commands that need no data. They are the same for the master and the datanodes,
// except for the cluster that they describe.

import { SteleError } from '../../base/errors.ts';
import { SLOT_COUNT } from '../../base/limits.ts';
import { integerArgument } from '../commands/integer-argument.ts';
import {
  clusterInfoText,
  clusterNodesText,
  writeClusterShards,
  writeClusterSlots,
} from './cluster-replies.ts';
import type { ClusterDescription } from './cluster-replies.ts';
import type { ClusterCommand, CommandSpec } from '../commands/command-spec.ts';
import { argumentText } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';

export interface ClusterSource {
  describe(): ClusterDescription;
  /** The slot of the key bytes[start, end). */
  slotOf(bytes: Uint8Array, start: number, end: number): number;
}

/** Limit of keys per answer: as many as one command may have arguments. */
const KEYS_MAX = 65_536;

type Handler = (source: ClusterSource, command: CommandArguments, out: ReplyWriter) => void;

const HANDLERS: Record<ClusterCommand, Handler> = {
  'cluster|info': (source, _, out) => out.verbatim(clusterInfoText(source.describe())),
  'cluster|myid': (source, _, out) => out.bulkText(source.describe().self.id),
  // No two datanodes have the same shards, so each is a shard of its own.
  'cluster|myshardid': (source, _, out) => out.bulkText(source.describe().self.id),
  'cluster|slots': (source, _, out) => writeClusterSlots(source.describe(), out),
  'cluster|shards': (source, _, out) => writeClusterShards(source.describe(), out),
  'cluster|nodes': (source, _, out) => out.verbatim(clusterNodesText(source.describe())),
  'cluster|keyslot': (source, command, out) => {
    const { buffer, starts, ends } = command;
    out.integer(source.slotOf(buffer, starts[2] as number, ends[2] as number));
  },
  // There is no cluster bus: every node learns of the others from the master.
  'cluster|links': (_, __, out) => out.array(0),
  'cluster|count-failure-reports': ofNode((out) => out.integer(0)),
  // No node is a replica as a whole, see cluster-replies.ts.
  'cluster|replicas': ofNode((out) => out.array(0)),
  'cluster|slaves': ofNode((out) => out.array(0)),
};

export function executeClusterCommand(
  spec: CommandSpec,
  command: CommandArguments,
  out: ReplyWriter,
  source: ClusterSource,
): void {
  HANDLERS[spec.name as ClusterCommand](source, command, out);
}

function ofNode(write: (out: ReplyWriter) => void): Handler {
  return (source, command, out) => {
    const id = argumentText(command, 2);
    if (source.describe().nodes.some((node) => node.id === id)) write(out);
    else out.error(`ERR Unknown node ${id.slice(0, 64)}`);
  };
}

/** `CLUSTER COUNTKEYSINSLOT slot`. Throws INVALID_ARGUMENT. */
export function countedSlot(command: CommandArguments): number {
  const slot = integerArgument(command, 2);
  if (isSlot(slot)) return slot;
  throw new SteleError('INVALID_ARGUMENT', 'Invalid slot');
}

/** `CLUSTER GETKEYSINSLOT slot count`. Throws INVALID_ARGUMENT. */
export function listedSlot(command: CommandArguments): { slot: number; keysMax: number } {
  const slot = integerArgument(command, 2);
  const keysMax = integerArgument(command, 3);
  if (isSlot(slot) && keysMax >= 0) return { slot, keysMax: Math.min(keysMax, KEYS_MAX) };
  throw new SteleError('INVALID_ARGUMENT', 'Invalid slot or number of keys');
}

function isSlot(slot: number): boolean {
  return slot >= 0 && slot < SLOT_COUNT;
}
