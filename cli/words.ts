// Words for people that several verbs print.

import type { HealthStatus } from '../proto/gen/stele/v1/view.ts';
import { healthWord } from '../proto/view-words.ts';
import type { Output } from './output.ts';

/** `green`, `yellow` or `red`, in its own colour. */
export function paintHealth(output: Output, status: HealthStatus): string {
  const word = healthWord(status);
  return word === 'green' || word === 'yellow' || word === 'red' ? output.paint(word, word) : word;
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `1 shard`, `2 shards`: a count with its noun. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
