// The processes of `stele up`: masters, with an etcd if there are several, and datanodes, as
// children of this process.
//
// A cluster that has run before starts even without one of its datanodes: one that cannot start
// (its node.json was lost in a power cut, its disk is unavailable) is reported, left out and tried
// again, while the others serve. Faults that a person must fix end the start all the same: a port
// in use, wrong settings, no master, no datanode at all, and any fault at a first start.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { hasRunBefore } from './folder.ts';
import { endpointsOf, etcdCommand, hasEtcd, planEtcd } from './etcd-plan.ts';
import { datanodeFlags, datanodeName, flagWords, masterFlags, sharedMasterFlags } from './plan.ts';
import type { ClusterPlan, EtcdFiles } from './plan.ts';
import { SupervisedProcess } from './supervised-process.ts';
import type { ProcessEvents } from './supervised-process.ts';

export interface ChildCommands {
  /** The script that Node.js runs. */
  readonly script: string;
  /** Command-line words for every role, for the master and for each datanode. */
  readonly everyRole: readonly string[];
  readonly master: readonly string[];
  readonly datanode: readonly string[];
  readonly restart: boolean;
  /** Of several masters and their etcd; undefined: without TLS between them. */
  readonly etcdTls: EtcdFiles | undefined;
}

export interface ClusterEvents extends ProcessEvents {
  /** A datanode did not start; the others continue. The sentence names it. */
  leftOut(sentence: string, isRetried: boolean): void;
}

export interface StartedParts {
  readonly masters: readonly NodeAddress[];
  /** Number of running datanodes. */
  readonly datanodes: number;
}

/** Errors that only other flags can fix. */
const ENDS_THE_START: ReadonlySet<ErrorCode> = new Set([
  'PORT_IN_USE',
  'INVALID_ARGUMENT',
  'CANCELLED',
] as const);

export class ClusterProcesses {
  readonly #plan: ClusterPlan;
  readonly #commands: ChildCommands;
  readonly #events: ClusterEvents;
  readonly #processes: SupervisedProcess[] = [];
  readonly #etcd: SupervisedProcess[] = [];
  #stopped: Promise<unknown> | undefined;

  constructor(plan: ClusterPlan, commands: ChildCommands, events: ClusterEvents) {
    this.#plan = plan;
    this.#commands = commands;
    this.#events = events;
  }

  /** Starts the masters, then all datanodes at once. Throws SteleError. */
  async start(): Promise<StartedParts> {
    const mayLack = hasRunBefore(this.#plan.dataDir);
    const masters = await this.#startMasters();
    const indexes = Array.from({ length: this.#plan.datanodes }, (_, index) => index);
    const datanodes = indexes.map((index) =>
      this.#add('datanode', `datanode ${datanodeName(index)}`, (address) =>
        flagWords(datanodeFlags(this.#plan, index, masters, address)),
      ),
    );
    // Every start must have ended before the first failure is reported.
    const results = await Promise.allSettled(datanodes.map((one) => this.#start(one)));
    const failed = results.flatMap((result, at) =>
      result.status === 'rejected' ? [{ at, error: toSteleError(result.reason) }] : [],
    );
    const ending =
      mayLack && failed.length < results.length ? failed.find(endsTheStart) : failed[0];
    if (ending !== undefined) throw ending.error;
    for (const { at, error } of failed) {
      this.#events.leftOut(error.message, this.#commands.restart);
      datanodes[at]?.keepTrying();
    }
    return { masters, datanodes: results.length - failed.length };
  }

  async #startMasters(): Promise<NodeAddress[]> {
    const plan = this.#plan;
    if (plan.masters === 1 && !hasEtcd(plan.dataDir)) {
      const one = this.#add('master', 'master', (address) => flagWords(masterFlags(plan, address)));
      return [await this.#start(one)];
    }
    const { etcdTls } = this.#commands;
    const members = await planEtcd(plan, etcdTls !== undefined);
    const etcd = members.map((_, index) => {
      const command = (): string[] => etcdCommand(plan, members, index, etcdTls);
      return this.#supervise(`etcd-${index}`, command, this.#etcd);
    });
    await Promise.all(etcd.map((one) => this.#start(one)));
    const etcdAt = { endpoints: endpointsOf(members), tls: etcdTls };
    const masters = Array.from({ length: plan.masters }, (_, index) =>
      this.#add('master', `master-${index}`, (address) =>
        flagWords(sharedMasterFlags(plan, index, etcdAt, address)),
      ),
    );
    return Promise.all(masters.map((one) => this.#start(one)));
  }

  /**
   * Stops masters and datanodes at the same time, and then the etcd to which a leader hands over.
   */
  async stop(): Promise<void> {
    this.#stopped ??= Promise.all(this.#processes.map((one) => one.stop())).then(() =>
      Promise.all(this.#etcd.map((one) => one.stop())),
    );
    await this.#stopped;
  }

  /** Has all roles open the files of their logs again. */
  reopenLogs(): void {
    for (const one of this.#processes) one.signal('SIGHUP');
  }

  /** Sends SIGKILL to all of them. */
  kill(): void {
    for (const one of [...this.#processes, ...this.#etcd]) one.kill();
  }

  #start(one: SupervisedProcess): Promise<NodeAddress> {
    if (this.#stopped === undefined) return one.start();
    return Promise.reject(new SteleError('CANCELLED', 'The cluster is being stopped.'));
  }

  #add(
    role: 'master' | 'datanode',
    title: string,
    flags: (address: NodeAddress | undefined) => readonly string[],
  ): SupervisedProcess {
    const { script, everyRole, restart } = this.#commands;
    const command = (address: NodeAddress | undefined): string[] => [
      script,
      role,
      ...flags(address),
      ...everyRole,
      ...this.#commands[role],
      ...(restart && role === 'datanode' ? ['--restartable'] : []),
    ];
    return this.#supervise(title, command, this.#processes);
  }

  #supervise(
    title: string,
    command: (address: NodeAddress | undefined) => string[],
    among: SupervisedProcess[],
  ): SupervisedProcess {
    const { restart } = this.#commands;
    const one = new SupervisedProcess({ title, restart, command }, this.#events);
    among.push(one);
    return one;
  }
}

function endsTheStart({ error }: { readonly error: SteleError }): boolean {
  return ENDS_THE_START.has(error.code);
}
