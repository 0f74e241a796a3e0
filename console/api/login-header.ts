// The header `authorization` for a login.

/** RFC 7617, in UTF-8. A user's name has no colon. */
export function basicHeader(user: string, password: string): string {
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** RFC 6750. */
export function bearerHeader(token: string): string {
  return `Bearer ${token.trim()}`;
}
