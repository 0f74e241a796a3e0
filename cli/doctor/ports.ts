// The ports of a process: whether they can be opened, and if not, who has them.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { checkPortFree } from '../../transport/listen.ts';
import { shorten } from '../../base/ids.ts';
import { fail, ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';
import { readSystemFile } from './machine.ts';

export interface Port {
  /** The flag that sets it. */
  readonly flag: string;
  readonly port: number;
}

export function checkPorts(host: string, ports: readonly Port[]): Promise<Finding[]> {
  return Promise.all(ports.map((port) => checkPort(host, port)));
}

async function checkPort(host: string, { flag, port }: Port): Promise<Finding> {
  const check = `port ${port}`;
  if (port === 0) return ok(flag, 'a free port is picked at the start');
  const code = await openingError(host, port);
  if (code === undefined) return freePort(check, flag, port);
  if (code === 'EADDRINUSE') return takenPort(check, flag, port);
  if (code === 'EACCES') {
    const text = `${host}:${port} may not be opened by this user`;
    return fail(check, text, `Use a port above 1023 (--${flag}).`);
  }
  const text = `${host}:${port} cannot be opened (${code})`;
  return fail(check, text, 'Name an address of this machine with --host.');
}

/** Opens and closes the port; returns the system's error if that fails. */
async function openingError(host: string, port: number): Promise<string | undefined> {
  try {
    await checkPortFree({ host, port, flag: '' });
    return undefined;
  } catch (thrown) {
    const cause = thrown instanceof SteleError ? thrown.cause : thrown;
    return systemErrorCode(cause) ?? toSteleError(thrown).message;
  }
}

function freePort(check: string, flag: string, port: number): Finding {
  const [first = Infinity, last = 0] = readSystemFile('/proc/sys/net/ipv4/ip_local_port_range')
    .split(/\s+/)
    .map(Number);
  if (!(port >= first && port <= last)) return ok(check, `free (--${flag})`);
  const text = `free (--${flag}), but the system may give it to any outgoing connection`;
  return warn(check, text, `Use one below ${first}, or a start may fail by chance.`);
}

function takenPort(check: string, flag: string, port: number): Finding {
  const holder = holderOf(port);
  if (holder !== undefined && isStele(holder.command)) {
    return ok(check, `open in a process of Stele (pid ${holder.pid}, --${flag})`);
  }
  const by =
    holder === undefined
      ? 'a process that this user cannot see'
      : `pid ${holder.pid}: ${shorten(holder.command)}`;
  return fail(check, `taken by ${by}`, `Stop that, or use another port (--${flag}).`);
}

/** Whether a command line runs the program; other programs may lie in a folder of that name. */
export function isStele(command: string): boolean {
  return /(?:^|[ /])stele(?: |$)|cli\/main[.][jt]s\b/.test(command);
}

interface Holder {
  readonly pid: number;
  readonly command: string;
}

/**
 * The process that listens on the port, found by the inode of its socket; undefined if it is not to
 * be seen.
 */
function holderOf(port: number): Holder | undefined {
  const inodes = new Set(
    ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => listeners(readSystemFile(path), port)),
  );
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    if (socketsOf(pid).some((inode) => inodes.has(inode))) {
      return { pid: Number(pid), command: commandOf(pid) };
    }
  }
  return undefined;
}

const LISTENING = '0A';

/** The inodes of sockets that listen on the port, in a table of the kernel. */
export function listeners(table: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => state === LISTENING && local.endsWith(`:${hex}`))
    .map((fields) => fields[9] ?? '');
}

function socketsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[([0-9]+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    // Of another user, or over by now.
    return [];
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
