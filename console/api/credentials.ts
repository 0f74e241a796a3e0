// What the page shows of who is logged in: the value of the header `authorization`.
//
// It is in memory and in the tab's session storage, so that it survives a reload and ends with the
// tab. It is never in a URL, a cookie or the local storage.

const STORED = 'stele.authorization';
let present: string | undefined = stored();

function stored(): string | undefined {
  try {
    return sessionStorage.getItem(STORED) ?? undefined;
  } catch {
    // The browser keeps nothing for this page.
    return undefined;
  }
}

export function authorization(): string | undefined {
  return present;
}

/** From now on requests have this header; without a value, none. */
export function setAuthorization(value: string | undefined): void {
  present = value;
  try {
    if (value === undefined) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, value);
  } catch {
    // The login then ends with a reload.
  }
}
