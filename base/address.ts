// HOST:PORT, as one process is told where another one is. Pure: nothing is looked up.

import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';

/** An IPv6 address stands in brackets, so that the colon before the port is the last one. */
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+(?:%[^\s\]]+)?\]|[^\s:/?#@[\]]+):([0-9]{1,5})$/;
const PORT_MAX = 65_535;

/** Whether `text` is HOST:PORT with a port that can be dialled. */
export function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1] ?? 0);
  return port > 0 && port <= PORT_MAX;
}

/** Returns `text` as it is. Throws INVALID_ARGUMENT for what is not HOST:PORT. */
export function checkAddress(text: string): string {
  if (isAddress(text)) return text;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not HOST:PORT; write a name or an IP address, a colon and a port from 1 to ${PORT_MAX}, as in 127.0.0.1:8400 or [::1]:8400.`,
  );
}
