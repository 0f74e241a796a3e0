// Plans what `stele up` runs: names, folders, ports and command lines of its processes. Pure,
// except that it checks whether files exist.
//
//   master          ports as given                 DIR/master
//   master-j        each port + 100 x j            none: several masters share an etcd (etcd-plan.ts)
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
import { memoryMaxDefault } from '../../base/process/usable-memory.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { hostAndPort, reachedHere } from '../../base/address.ts';

const PORT_MAX = 65_535;
const MASTER_PORT_STEP = 100;

export interface ClusterPlan {
  readonly masters: number;
  /** Members of the etcd of several masters; 0: as many as there are, or one. */
  readonly etcdNodes: number;
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

/** The flags of the master; `address` is that of its previous run, whose ports it keeps. */
export function masterFlags(plan: ClusterPlan, address: NodeAddress | undefined): Flags {
  return {
    'data-dir': join(plan.dataDir, 'master'),
    host: plan.host,
    ...portFlags(plan, address, (port) => port),
    replication: plan.replication,
    shards: plan.shards,
  };
}

/** The files of TLS between the masters and their etcd. */
export interface EtcdFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * The flags of master `index` of several, which share the etcd at `endpoints`; `tls`: of that etcd.
 */
export function sharedMasterFlags(
  plan: ClusterPlan,
  index: number,
  {
    endpoints,
    tls,
  }: { readonly endpoints: readonly string[]; readonly tls?: EtcdFiles | undefined },
  address: NodeAddress | undefined,
): Flags {
  return {
    metadata: 'etcd',
    'etcd-endpoints': endpoints.join(','),
    ...(tls && { 'etcd-ca': tls.ca, 'etcd-cert': tls.cert, 'etcd-key': tls.key }),
    host: plan.host,
    ...portFlags(plan, address, (port) => (port === 0 ? 0 : port + MASTER_PORT_STEP * index)),
    replication: plan.replication,
    shards: plan.shards,
  };
}

/** The flags of datanode `index`, which finds its masters at `masters`. */
export function datanodeFlags(
  plan: ClusterPlan,
  index: number,
  masters: readonly NodeAddress[],
  address: NodeAddress | undefined,
): Flags {
  return {
    id: datanodeName(index),
    master: addressesOf(masters),
    'data-dir': join(plan.dataDir, datanodeName(index)),
    host: plan.host,
    ...portFlags(plan, address, (port) => (port === 0 ? 0 : port + 1 + index)),
  };
}

/** As `--master` takes them, on this machine. */
export function addressesOf(masters: readonly NodeAddress[]): string {
  return masters.map(({ grpcPort, host }) => hostAndPort(reachedHere(host), grpcPort)).join(',');
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
 * The memory flags of the datanodes: none if the user has set a limit, otherwise an equal part of
 * the default, because they share a machine.
 */
export function memoryWords(datanodes: number, source: SettingSource | undefined): string[] {
  if (source !== 'default') return [];
  return ['--memory-max', String(memoryMaxDefault(datanodes))];
}

/**
 * Throws INVALID_ARGUMENT for settings that would make the first start fail, before anything is
 * created.
 */
export function checkPlan(plan: ClusterPlan): void {
  assertShardCount(plan.shards);
  checkPorts(plan);
  checkPortsDiffer(plan);
}

/** Throws INVALID_ARGUMENT if two of its processes would have one port. */
function checkPortsDiffer(plan: ClusterPlan): void {
  const { datanodes, httpPort, masters, respPort, grpcPort } = plan;
  const taken = new Map<number, string>();
  for (const [flag, first] of Object.entries({ httpPort, respPort, grpcPort })) {
    if (first === 0) continue;
    const ofMasters = Array.from({ length: masters }, (_, at) => first + MASTER_PORT_STEP * at);
    const ofNodes = Array.from({ length: datanodes }, (_, at) => first + 1 + at);
    for (const port of [...ofMasters, ...ofNodes]) {
      const other = taken.get(port);
      const name = flag.replace('Port', '');
      if (other !== undefined) {
        throw new SteleError(
          'INVALID_ARGUMENT',
          `Port ${port} would be used twice (${other} and ${name}) with ${masters} masters and ${datanodes} datanodes, as master j has the ports of the first one plus ${MASTER_PORT_STEP} x j; choose other ports.`,
        );
      }
      taken.set(port, name);
    }
  }
}

/** Throws INVALID_ARGUMENT for ports that would exceed the highest one. */
function checkPorts(plan: ClusterPlan): void {
  for (const [flag, port] of Object.entries(portFlags(plan, undefined, (number) => number))) {
    const room = Math.max(plan.datanodes, MASTER_PORT_STEP * (plan.masters - 1));
    if (Number(port) + room <= PORT_MAX) continue;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--${flag} ${port} leaves no room for ${plan.datanodes} datanodes after it; use at most ${PORT_MAX - room}.`,
    );
  }
}

/** `--flag value` words. */
export function flagWords(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
}

/**
 * Flags of a role that were given to `stele up` and are passed on. A role reads the environment and
 * stele.yaml by itself.
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

/** Parses `KEYSPACE=PATH` of --load. Throws INVALID_ARGUMENT. */
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

/**
 * Throws for a path that does not exist, before anything is started. Globs are left to the loader.
 */
export function checkLoadPaths(loads: readonly RequestedLoad[]): void {
  for (const { path, keyspace } of loads) {
    if (/[*?[{]/.test(path) || existsSync(path)) continue;
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `There is no file ${path} to load into ${keyspace}; check --load.`,
    );
  }
}
