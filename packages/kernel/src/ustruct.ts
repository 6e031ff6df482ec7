// SPDX-License-Identifier: GPL-2.0-only
/*
 * Structs whose bytes user space sees: fields as accessors over bytes, little endian, laid out as a C compiler for
 * x86-64 does it.
 */

/** Type of a field. `u64n` is a u64 as a number, exact below 2^53; `{ bytes: n }` an array of n bytes. */
export type ufield =
  | 'u8'
  | 's8'
  | 'u16'
  | 's16'
  | 'u32'
  | 's32'
  | 'u64'
  | 's64'
  | 'u64n'
  | { readonly bytes: number };

type value_of<F> = F extends { readonly bytes: number }
  ? Uint8Array
  : F extends 'u64' | 's64'
    ? bigint
    : number;

export type ufields = Readonly<Record<string, ufield>>;

/** An object that is its bytes. */
export interface ustruct {
  readonly bytes: Uint8Array;
}

/** The class that ustruct() makes. */
export interface ustruct_class<F extends ufields> {
  /** Zeroed; or over `bytes` from `off`, which is then shared, as a pointer cast in C. */
  new (bytes?: Uint8Array, off?: number): ustruct & { -readonly [K in keyof F]: value_of<F[K]> };
  readonly struct_name: string;
  readonly size: number;
  readonly offsets: { readonly [K in keyof F]: number };
  readonly ends: { readonly [K in keyof F]: number };
}

const SIZES = { u8: 1, s8: 1, u16: 2, s16: 2, u32: 4, s32: 4, u64: 8, s64: 8, u64n: 8 } as const;

function get32(b: Uint8Array, o: number): number {
  return (b[o] | (b[o + 1] << 8) | (b[o + 2] << 16) | (b[o + 3] << 24)) >>> 0;
}

function set32(b: Uint8Array, o: number, v: number): void {
  b[o] = v;
  b[o + 1] = v >>> 8;
  b[o + 2] = v >>> 16;
  b[o + 3] = v >>> 24;
}

function get64(b: Uint8Array, o: number): bigint {
  return BigInt(get32(b, o)) | (BigInt(get32(b, o + 4)) << 32n);
}

function set64(b: Uint8Array, o: number, v: bigint): void {
  set32(b, o, Number(v & 0xffffffffn));
  set32(b, o + 4, Number((v >> 32n) & 0xffffffffn));
}

function accessor(type: ufield, o: number): PropertyDescriptor {
  if (typeof type === 'object') {
    const end = o + type.bytes;
    return {
      get(this: ustruct) {
        return this.bytes.subarray(o, end);
      },
      set(this: ustruct, v: Uint8Array) {
        this.bytes.set(v.subarray(0, end - o), o);
      },
    };
  }
  switch (type) {
    case 'u8':
      return {
        get(this: ustruct) {
          return this.bytes[o];
        },
        set(this: ustruct, v: number) {
          this.bytes[o] = v;
        },
      };
    case 's8':
      return {
        get(this: ustruct) {
          return (this.bytes[o] << 24) >> 24;
        },
        set(this: ustruct, v: number) {
          this.bytes[o] = v;
        },
      };
    case 'u16':
    case 's16': {
      const up = type === 's16' ? 16 : 0;
      return {
        get(this: ustruct) {
          return ((this.bytes[o] | (this.bytes[o + 1] << 8)) << up) >> up;
        },
        set(this: ustruct, v: number) {
          this.bytes[o] = v;
          this.bytes[o + 1] = v >>> 8;
        },
      };
    }
    case 'u32':
      return {
        get(this: ustruct) {
          return get32(this.bytes, o);
        },
        set(this: ustruct, v: number) {
          set32(this.bytes, o, v);
        },
      };
    case 's32':
      return {
        get(this: ustruct) {
          return get32(this.bytes, o) | 0;
        },
        set(this: ustruct, v: number) {
          set32(this.bytes, o, v);
        },
      };
    case 'u64':
      return {
        get(this: ustruct) {
          return get64(this.bytes, o);
        },
        set(this: ustruct, v: bigint) {
          set64(this.bytes, o, v);
        },
      };
    case 's64':
      return {
        get(this: ustruct) {
          return BigInt.asIntN(64, get64(this.bytes, o));
        },
        set(this: ustruct, v: bigint) {
          set64(this.bytes, o, v);
        },
      };
    case 'u64n':
      return {
        get(this: ustruct) {
          return get32(this.bytes, o) + get32(this.bytes, o + 4) * 2 ** 32;
        },
        set(this: ustruct, v: number) {
          set32(this.bytes, o, v);
          set32(this.bytes, o + 4, Math.floor(v / 2 ** 32));
        },
      };
  }
}

/**
 * Declare a struct of the user API.
 *
 * @param name its C name
 * @param fields its fields in order, with natural alignment; a flexible array at the end is left out
 * @returns a class; `new X()` is zeroed, `new X(bytes, off)` a view
 */
export function ustruct<const F extends ufields>(name: string, fields: F): ustruct_class<F> {
  const offsets: Record<string, number> = {};
  const ends: Record<string, number> = {};
  let off = 0;
  let align = 1;
  for (const [key, type] of Object.entries(fields)) {
    const size = typeof type === 'object' ? type.bytes : SIZES[type];
    const a = typeof type === 'object' ? 1 : size;
    off = Math.ceil(off / a) * a;
    if (a > align) align = a;
    offsets[key] = off;
    off += size;
    ends[key] = off;
  }
  const total = Math.ceil(off / align) * align;

  class Struct implements ustruct {
    static readonly struct_name = name;
    static readonly size = total;
    static readonly offsets = offsets;
    static readonly ends = ends;
    readonly bytes: Uint8Array;

    constructor(bytes?: Uint8Array, at = 0) {
      this.bytes = bytes === undefined ? new Uint8Array(total) : bytes.subarray(at, at + total);
    }
  }
  Object.defineProperty(Struct, 'name', { value: name });
  for (const [key, type] of Object.entries(fields)) {
    Object.defineProperty(Struct.prototype, key, { ...accessor(type, offsets[key]), enumerable: true });
  }
  return Struct as unknown as ustruct_class<F>;
}

/** C: sizeof(struct name) */
export function sizeof(type: { readonly size: number }): number {
  return type.size;
}

/** C: offsetof() */
export function offsetof<F extends ufields, K extends keyof F>(type: ustruct_class<F>, field: K): number {
  return type.offsets[field];
}

/** The offset of the byte after a field. C: include/linux/stddef.h offsetofend() */
export function offsetofend<F extends ufields, K extends keyof F>(type: ustruct_class<F>, field: K): number {
  return type.ends[field];
}
