// A Slurm of one node on this machine, for one test: slurmctld and slurmd on free ports, without
// munge, and with everything below one folder.

import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { runTool } from '../tools.ts';
import { SteleProcess, until } from './stele-process.ts';
import { freePorts } from '../../../transport/listen.ts';

export class Slurm {
  readonly #config: string;

  private constructor(config: string) {
    this.#config = config;
  }

  static async start(folder: string): Promise<Slurm> {
    for (const name of ['state', 'spool']) mkdirSync(join(folder, name), { recursive: true });
    const config = join(folder, 'slurm.conf');
    const [ctldPort = 0, slurmdPort = 0] = await freePorts('127.0.0.1', 2);
    writeFileSync(config, configText(folder, ctldPort, slurmdPort));
    const args = ['-D', '-f', config];
    const controller = new SteleProcess([...args, '-c'], { command: ['slurmctld'] });
    const node = new SteleProcess([...args, '-N', 'n0'], { command: ['slurmd'] });
    onTestFinished(async () => {
      await Promise.all([node.kill('SIGTERM'), controller.kill('SIGTERM')]);
    });
    const slurm = new Slurm(config);
    await until('an idle node', async () => /idle/.test(await slurm.run('sinfo', ['-h'])), 60_000);
    return slurm;
  }

  /** Runs a command of Slurm; resolves with what it printed. */
  async run(
    program: string,
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const variables = Object.entries({ SLURM_CONF: this.#config, ...environment });
    const words = variables.map(([name, value]) => `${name}=${value}`);
    return (await runTool('env', [...words, program, ...args])).trim();
  }

  /** Resolves when no job is left. */
  async finished(): Promise<void> {
    await until('the jobs', async () => (await this.run('squeue', ['-h'])) === '', 120_000, 200);
  }
}

function configText(folder: string, ctldPort: number, slurmdPort: number): string {
  const [host] = hostname().split('.');
  const { username } = userInfo();
  return `
ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${ctldPort}
SlurmdPort=${slurmdPort}
SlurmUser=${username}
SlurmdUser=${username}
AuthType=auth/none
CredType=cred/none
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
ReturnToService=2
MailProg=/bin/true
NodeName=n0 NodeHostname=${host} NodeAddr=127.0.0.1 CPUs=${Math.max(2, availableParallelism())}
PartitionName=main Nodes=n0 Default=YES State=UP
`;
}
