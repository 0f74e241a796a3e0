// Wraps bytes in a Buffer without a copy. The generated code would copy (`Buffer.from(bytes)`),
// once per field and once more per message; proto/generate.mjs replaces that by this function.

/** A view, not a copy: a decoded field shows the bytes of its message, which nobody reuses. */
export function bufferView(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
