// INFO's text: sections of `name:value` lines, chosen as Redis chooses them.
//
//   # Server\r\n
//   redis_version:7.2.0\r\n
//   \r\n
//   # Clients\r\n ...

/** One section; numbers and texts go out as they are. */
export interface InfoSection {
  /** As it is printed: `Server`, `Keyspace`. */
  readonly name: string;
  readonly fields: Readonly<Record<string, string | number>>;
}

const EVERYTHING = new Set(['default', 'all', 'everything']);

/** The sections that `INFO [section ...]` asks for, as one text; all of them if none is named. */
export function formatInfo(sections: readonly InfoSection[], asked: readonly string[]): string {
  const wanted = new Set(asked.map((name) => name.toLowerCase()));
  const all = wanted.size === 0 || [...wanted].some((name) => EVERYTHING.has(name));
  return sections
    .filter((section) => all || wanted.has(section.name.toLowerCase()))
    .map(formatSection)
    .join('\r\n');
}

function formatSection(section: InfoSection): string {
  const lines = Object.entries(section.fields).map(([name, value]) => `${name}:${value}\r\n`);
  return `# ${section.name}\r\n${lines.join('')}`;
}
