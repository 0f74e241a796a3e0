// What `stele up` runs: names, folders, ports and command lines of its processes. Pure, but for a look whether files are there.
//
//   master          ports as given                 DIR/master
//   datanode i      each port + 1 + i (0 stays 0)  DIR/node-i

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { optionsOf } from '../../base/config.ts';
import type { OptionInfo, SettingSource, SettingsSchema } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import { keyspaceName, shorten } from '../../base/ids.ts';
import type { KeyspaceName } from '../../base/ids.ts';
import { assertShardCount } from '../../base/shard-count.ts';
import { durationText } from '../../base/units.ts';
import { segmentBytesDefault } from '../../base/usable-memory.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { hostPort } from '../words.ts';

const PORT_MAX = 65_535;

export interface ClusterPlan {
  readonly datanodes: number;
  readonly replication: number;
  readonly shards: number;
  readonly dataDir: string;
  readonly host: string;
  readonly httpPort: number;
  readonly respPort: number;
  readonly grpcPort: number;
}

type Flags = Readonly<Record<string, string | number>>;

/** The master's own flags; `address` is that of an earlier run, whose ports it keeps. */
export function masterFlags(plan: ClusterPlan, address: NodeAddress | undefined): Flags {
  return {
    'data-dir': join(plan.dataDir, 'master'),
    host: plan.host,
    ...portFlags(plan, address, (port) => port),
    replication: plan.replication,
    shards: plan.shards,
  };
}

/** The flags of datanode `index`, which finds its master at `master`. */
export function datanodeFlags(
  plan: ClusterPlan,
  index: number,
  master: NodeAddress,
  address: NodeAddress | undefined,
): Flags {
  return {
    id: datanodeName(index),
    master: hostPort(master.host, master.grpcPort),
    'data-dir': join(plan.dataDir, datanodeName(index)),
    host: plan.host,
    ...portFlags(plan, address, (port) => (port === 0 ? 0 : port + 1 + index)),
  };
}

export function datanodeName(index: number): string {
  return `node-${index}`;
}

function portFlags(
  plan: ClusterPlan,
  address: NodeAddress | undefined,
  shift: (port: number) => number,
): Flags {
  return {
    'http-port': address?.httpPort ?? shift(plan.httpPort),
    'resp-port': address?.respPort ?? shift(plan.respPort),
    'grpc-port': address?.grpcPort ?? shift(plan.grpcPort),
  };
}

/**
 * What the datanodes are told of memory: nothing if the person has said something, otherwise an
 * equal part of what they may take together, because here they share a machine.
 */
export function memoryWords(datanodes: number, source: SettingSource | undefined): string[] {
  if (source !== 'default') return [];
  return ['--memory-max', String(segmentBytesDefault(datanodes))];
}

/** Throws INVALID_ARGUMENT for what the first start of a cluster would be refused with, before anything is made. */
export function checkPlan(plan: ClusterPlan): void {
  assertShardCount(plan.shards);
  checkPorts(plan);
}

/** Refuses ports that would run past the last one. */
function checkPorts(plan: ClusterPlan): void {
  for (const [flag, port] of Object.entries(portFlags(plan, undefined, (number) => number))) {
    if (Number(port) + plan.datanodes <= PORT_MAX) continue;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--${flag} ${port} leaves no room for ${plan.datanodes} datanodes behind it; use at most ${PORT_MAX - plan.datanodes}.`,
    );
  }
}

/** `--flag value` words. */
export function wordsOf(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
}

/**
 * Flags of a role that were given to `stele up` itself and are passed on. What came from the
 * environment or stele.yaml the role finds by itself.
 */
export function forwardedWords(
  role: SettingsSchema,
  decided: ReadonlySet<string>,
  values: Readonly<Record<string, unknown>>,
  sources: ReadonlyMap<string, SettingSource>,
): string[] {
  return optionsOf(role)
    .filter((info) => !decided.has(info.property) && sources.get(info.property) === 'flag')
    .flatMap((info) => optionWords(info, values[info.property]));
}

function optionWords(info: OptionInfo, value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => [`--${info.flag}`, String(one)]);
  if (value === false) return info.flag.startsWith('no-') ? [] : [`--no-${info.flag}`];
  if (value === true) return [`--${info.flag}`];
  const text = info.kind === 'duration' ? durationText(Number(value)) : String(value);
  return [`--${info.flag}`, text];
}

export interface RequestedLoad {
  readonly keyspace: KeyspaceName;
  readonly path: string;
}

/** `KEYSPACE=PATH`, as --load takes it. Throws INVALID_ARGUMENT. */
export function parseLoad(text: string): RequestedLoad {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) {
    return { keyspace: keyspaceName(text.slice(0, at)), path: text.slice(at + 1) };
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--load takes KEYSPACE=PATH, for example example=data/example.data, and not '${shorten(text)}'.`,
  );
}

/** Before anything is started: a path that is not there is told at once. Globs are the loader's. */
export function checkLoadPaths(loads: readonly RequestedLoad[]): void {
  for (const { path, keyspace } of loads) {
    if (/[*?[{]/.test(path) || existsSync(path)) continue;
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `There is no file ${path} to load into ${keyspace}; check --load.`,
    );
  }
}
