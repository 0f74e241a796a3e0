// The processes of `stele up`: one master and N datanodes as children of this one.
//
// A cluster that has run before is worth having without one of its datanodes: one that cannot start (its
// node.json was lost in a power cut, its disk is away) is told, left out and tried again, and the others serve.
// What a person has to mend first ends the start all the same: a port that is taken, wrong settings, the
// master, all datanodes, and anything on a first start.

import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { hasRunBefore } from './folder.ts';
import { datanodeFlags, datanodeName, masterFlags, wordsOf } from './plan.ts';
import type { ClusterPlan } from './plan.ts';
import { SupervisedProcess } from './supervised-process.ts';
import type { ProcessEvents } from './supervised-process.ts';

export interface ChildCommands {
  /** The script that Node.js runs. */
  readonly script: string;
  /** Words for every role, and for each. */
  readonly everyRole: readonly string[];
  readonly master: readonly string[];
  readonly datanode: readonly string[];
  readonly restart: boolean;
}

export interface ClusterEvents extends ProcessEvents {
  /** A datanode that did not start; the others go on. The sentence names it. */
  leftOut(sentence: string, isRetried: boolean): void;
}

export interface StartedParts {
  readonly master: NodeAddress;
  /** Datanodes that run. */
  readonly datanodes: number;
}

/** Who gave these flags has to give others. */
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
  #stopped: Promise<unknown> | undefined;

  constructor(plan: ClusterPlan, commands: ChildCommands, events: ClusterEvents) {
    this.#plan = plan;
    this.#commands = commands;
    this.#events = events;
  }

  /** Starts the master, then all datanodes at once. Throws SteleError. */
  async start(): Promise<StartedParts> {
    const mayLack = hasRunBefore(this.#plan.dataDir);
    const master = await this.#start(
      this.#add('master', 'master', (address) => wordsOf(masterFlags(this.#plan, address))),
    );
    const indexes = Array.from({ length: this.#plan.datanodes }, (_, index) => index);
    const datanodes = indexes.map((index) =>
      this.#add('datanode', `datanode ${datanodeName(index)}`, (address) =>
        wordsOf(datanodeFlags(this.#plan, index, master, address)),
      ),
    );
    // All have ended their start, one way or the other, before the first failure is told.
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
    return { master, datanodes: results.length - failed.length };
  }

  /** Stops all of them, the datanodes with the master. */
  async stop(): Promise<void> {
    this.#stopped ??= Promise.all(this.#processes.map((one) => one.stop()));
    await this.#stopped;
  }

  /** SIGKILL for all of them. */
  kill(): void {
    for (const one of this.#processes) one.kill();
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
    const one = new SupervisedProcess(
      {
        title,
        restart,
        command: (address) => [
          script,
          role,
          ...flags(address),
          ...everyRole,
          ...this.#commands[role],
          ...(restart && role === 'datanode' ? ['--restartable'] : []),
        ],
      },
      this.#events,
    );
    this.#processes.push(one);
    return one;
  }
}

function endsTheStart({ error }: { readonly error: SteleError }): boolean {
  return ENDS_THE_START.has(error.code);
}
