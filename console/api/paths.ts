// Paths of routes, relative to the page, so that a proxy may serve both below any path.

const PLAIN = /[A-Za-z0-9._~-]/;

/** Percent-encodes every byte that is not unreserved, including `/`. */
export function encodeBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    return PLAIN.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}

/**
 * Whether a browser can send this key in a path: it takes `.` and `..` for folders, encoded or not.
 */
export function fitsIntoPath(key: Uint8Array): boolean {
  const text = encodeBytes(key);
  return text !== '' && text !== '.' && text !== '..';
}

export function keyspacePath(keyspace: string, rest = ''): string {
  return `v1/keyspaces/${encodeURIComponent(keyspace)}${rest}`;
}

export function keyPath(keyspace: string, key: Uint8Array): string {
  return keyspacePath(keyspace, `/keys/${encodeBytes(key)}`);
}

export function explainPath(keyspace: string, key: Uint8Array): string {
  return `v1/explain/${encodeURIComponent(keyspace)}/${encodeBytes(key)}`;
}

export function nodePath(id: string, rest = ''): string {
  return `v1/nodes/${encodeURIComponent(id)}${rest}`;
}
