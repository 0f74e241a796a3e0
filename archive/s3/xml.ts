// The XML of S3's answers: a few elements with text in them, without attributes that matter. The
// elements of one name never contain one another, so a parser is not needed.

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

/** The text of the first element `name`; undefined if there is none. */
export function textIn(xml: string, name: string): string | undefined {
  const content = elementsIn(xml, name)[0];
  return content === undefined ? undefined : unescapeXml(content);
}

/** The content, as XML, of all elements `name`. */
export function elementsIn(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g');
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? '');
}

/** Text for use in an element. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
}

function unescapeXml(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]+|[a-z]+);/g, (whole, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    return ENTITIES[name] ?? whole;
  });
}

/** Percent-encodes a key for a path; slashes stay. */
export function encodeKey(key: string): string {
  return key.split('/').map(encodePart).join('/');
}

/** RFC 3986: `!'()*` as well, as signatures demand. */
export function encodePart(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
