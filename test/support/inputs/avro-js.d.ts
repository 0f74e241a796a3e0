// avro-js has no types; this is what the tests use of it.

declare module 'avro-js/lib/files.js' {
  import type { Duplex } from 'node:stream';

  const files: {
    readonly streams: { readonly BlockEncoder: new (schema: unknown, options: object) => Duplex };
  };
  export default files;
}
