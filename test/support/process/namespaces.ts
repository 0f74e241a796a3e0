// Network namespaces, which need root: every process has its own network, on one bridge.
//
//   this process --+-- bridge --+-- namespace of the master
//                               +-- namespace of node-0 ...
//
// The addresses are of IPv4, or of IPv6 alone: then the namespaces have none of IPv4, not even
// 127.0.0.1.
//
// A cut drops silently what one namespace sends to another: the sender gets a hardware address that
// does not exist. The other direction is not affected, so links can be cut in one direction.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Place } from './cluster.ts';
import { isRunning } from './stele-process.ts';
import { skipping } from '../tools.ts';

/**
 * A program and its arguments, after which a command runs as process 1 of its own PID namespace.
 */
export const AS_PROCESS_1 = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'] as const;

/** Whether this machine can do that; reports like hasTool. */
export function canBeProcess1(): boolean {
  const [program, ...words] = AS_PROCESS_1;
  const possible = spawnSync(program, [...words, 'true']).status === 0;
  if (!possible) skipping('no PID namespace can be made here', 'run it as root');
  return possible;
}

/** This process, as one end of a cut. */
export const HERE = 'here';
const NOBODY = '02:00:00:00:00:99';
const DEVICE = 'eth0';
/** `ip netns exec NAME` shows the files in here as those of /etc. */
const ETC = '/etc/netns';
const LOCAL_HOSTS = '127.0.0.1 localhost\n::1 localhost\n';

interface Family {
  readonly prefix: string;
  readonly length: string;
}

/**
 * In the range that is reserved for network tests (RFC 2544), and in that of local networks (RFC
 * 4193).
 */
const FAMILIES: Readonly<Record<4 | 6, Family>> = {
  4: { prefix: `198.18.${process.pid % 256}.`, length: '/24' },
  6: { prefix: `fd57:e1e:${(process.pid % 65_536).toString(16)}::`, length: '/64 nodad' },
};

export class Network {
  readonly #names: readonly string[];
  readonly #tag = `st${process.pid.toString(36)}`;
  readonly #family: 4 | 6;
  #cuts: (readonly [string, string])[] = [];

  private constructor(names: readonly string[], family: 4 | 6) {
    this.#names = names;
    this.#family = family;
  }

  /** Undefined, reported like hasTool, if this process may not create one. */
  static make(names: readonly string[], family: 4 | 6 = 4): Network | undefined {
    const network = new Network(names, family);
    removeStale();
    try {
      network.#build();
      return network;
    } catch (thrown) {
      network.remove();
      skipping(`network namespaces cannot be made here (${String(thrown)})`, 'run it as root');
      return undefined;
    }
  }

  /**
   * Makes names known in all namespaces, to processes that are started after the first call: by
   * name the namespace, or several, that it leads to. Another call replaces them, also for running
   * processes.
   */
  setHosts(hosts: Readonly<Record<string, string | readonly string[]>>): void {
    const lines = Object.entries(hosts).flatMap(([host, names]) =>
      [names].flat().map((name) => `${this.hostOf(name)} ${host}\n`),
    );
    for (const name of this.#names) {
      const folder = join(ETC, this.#namespace(name));
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'hosts'), `${LOCAL_HOSTS}${lines.join('')}`);
    }
  }

  placeOf(name: string): Place {
    return {
      within: ['ip', 'netns', 'exec', this.#namespace(name)],
      host: this.hostOf(name),
    };
  }

  /** The address of a namespace, or of this process (HERE). */
  hostOf(name: string): string {
    const { prefix } = FAMILIES[this.#family];
    return `${prefix}${name === HERE ? 254 : this.#names.indexOf(name) + 1}`;
  }

  /** From now on nothing that `from` sends to `to` arrives. */
  cut(from: string, to: string): void {
    const device = from === HERE ? this.#tag : DEVICE;
    this.#ip(from, `neigh replace ${this.hostOf(to)} lladdr ${NOBODY} dev ${device} nud permanent`);
    this.#cuts.push([from, to]);
  }

  heal(): void {
    for (const [from, to] of this.#cuts) {
      const device = from === HERE ? this.#tag : DEVICE;
      this.#ip(from, `neigh del ${this.hostOf(to)} dev ${device}`);
    }
    this.#cuts = [];
  }

  /** Whether a TCP connection can be made; takes up to a second if not. */
  reaches(from: string, to: string, port: number): boolean {
    const [program = '', ...words] = [
      ...(from === HERE ? [] : this.placeOf(from).within),
      ...['timeout', '1', 'bash', '-c', `: < /dev/tcp/${this.hostOf(to)}/${port}`],
    ];
    return spawnSync(program, words).status === 0;
  }

  /** No process may be running in it any more. */
  remove(): void {
    for (const name of this.#names) removeNamespace(this.#namespace(name));
    spawnSync('ip', ['link', 'del', this.#tag]);
  }

  #build(): void {
    const bridge = this.#tag;
    const { length } = FAMILIES[this.#family];
    this.#ip(HERE, `link add ${bridge} type bridge`);
    this.#ip(HERE, `addr add ${this.hostOf(HERE)}${length} dev ${bridge}`);
    this.#ip(HERE, `link set ${bridge} up`);
    for (const [index, name] of this.#names.entries()) {
      const port = `${bridge}p${index}`;
      const namespace = this.#namespace(name);
      this.#ip(HERE, `netns add ${namespace}`);
      this.#ip(HERE, `link add ${port} type veth peer name ${DEVICE} netns ${namespace}`);
      this.#ip(HERE, `link set ${port} master ${bridge} up`);
      this.#ip(name, `addr add ${this.hostOf(name)}${length} dev ${DEVICE}`);
      this.#ip(name, `link set ${DEVICE} up`);
      this.#ip(name, 'link set lo up');
      if (this.#family === 6) this.#ip(name, 'addr del 127.0.0.1/8 dev lo');
    }
  }

  #namespace(name: string): string {
    return `${this.#tag}-${name}`;
  }

  #ip(where: string, command: string): void {
    const words = [
      ...(where === HERE ? [] : ['-n', this.#namespace(where)]),
      ...command.split(' '),
    ];
    const { status, stderr } = spawnSync('ip', words, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`ip ${words.join(' ')}: ${stderr?.trim() ?? 'not there'}`);
  }
}

/** Removes what a killed run has left. */
function removeStale(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [name, tag = '', owner = ''] of (stdout ?? '').matchAll(/^(st([0-9a-z]+))-\S+/gm)) {
    if (isRunning(Number.parseInt(owner, 36))) continue;
    removeNamespace(name);
    spawnSync('ip', ['link', 'del', tag]);
  }
}

function removeNamespace(name: string): void {
  spawnSync('ip', ['netns', 'del', name]);
  rmSync(join(ETC, name), { recursive: true, force: true });
}
