// The processes of `stele up`: one master and N datanodes as children of this one.

import { SteleError } from '../../base/errors.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
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

export class ClusterProcesses {
  readonly #plan: ClusterPlan;
  readonly #commands: ChildCommands;
  readonly #events: ProcessEvents;
  readonly #processes: SupervisedProcess[] = [];
  #stopped: Promise<unknown> | undefined;

  constructor(plan: ClusterPlan, commands: ChildCommands, events: ProcessEvents) {
    this.#plan = plan;
    this.#commands = commands;
    this.#events = events;
  }

  /** Starts the master, then all datanodes at once; resolves with the master's address. */
  async start(): Promise<NodeAddress> {
    const master = await this.#run('master', 'master', (address) =>
      wordsOf(masterFlags(this.#plan, address)),
    );
    const indexes = Array.from({ length: this.#plan.datanodes }, (_, index) => index);
    const starts = indexes.map((index) =>
      this.#run('datanode', `datanode ${datanodeName(index)}`, (address) =>
        wordsOf(datanodeFlags(this.#plan, index, master, address)),
      ),
    );
    // All have ended their start, one way or the other, before the first failure is told.
    const results = await Promise.allSettled(starts);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return master;
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

  #run(
    role: 'master' | 'datanode',
    title: string,
    flags: (address: NodeAddress | undefined) => readonly string[],
  ): Promise<NodeAddress> {
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
    if (this.#stopped === undefined) return one.start();
    return Promise.reject(new SteleError('CANCELLED', 'The cluster is being stopped.'));
  }
}
