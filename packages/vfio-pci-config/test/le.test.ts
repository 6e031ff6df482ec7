// SPDX-License-Identifier: GPL-2.0-only
import { ref } from '@vfio-lab/sim';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { le16_at, le32_at, memcpy, u8_at } from '../src/le.ts';

describe('pointers into bytes', () => {
  it('should read and write little endian at any alignment', () => {
    const buf = Uint8Array.from([1, 2, 3, 4, 5, 6]);

    expect(u8_at(buf, 3).v).toBe(4);
    expect(le16_at(buf, 1).v).toBe(0x0302);
    expect(le32_at(buf, 1).v).toBe(0x05040302);

    le16_at(buf, 3).v = 0xbeef;
    le32_at(buf, 2).v &= ~0xff;
    u8_at(buf, 0).v |= 0xf0;
    expect([...buf]).toEqual([0xf1, 2, 0, 0xef, 0xbe, 6]);
  });

  it('should keep 32-bit values non-negative', () => {
    const p = le32_at(new Uint8Array(4), 0);
    p.v |= 0x80000000;
    expect(p.v).toBe(0x80000000);
    p.v = ~0;
    expect(p.v).toBe(0xffffffff);
  });

  it('should read 0 and lose writes past the end', () => {
    const buf = Uint8Array.from([0xaa]);
    expect(u8_at(buf, 1).v).toBe(0);
    expect(le16_at(buf, 0).v).toBe(0xaa);
    expect(le32_at(buf, 0).v).toBe(0xaa);
    le32_at(buf, 0).v = 0x12345678;
    expect([...buf]).toEqual([0x78]);
  });
});

describe('memcpy', () => {
  it('should touch exactly n bytes, whichever side the variable is on', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.nat(0xffffffff),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(4),
        (bytes, word, n, at) => {
          const out = Uint8Array.from(bytes);
          memcpy(out.subarray(at), ref(word), n);
          for (let i = 0; i < 8; i++) {
            const copied = i >= at && i < at + n;
            expect(out[i]).toBe(copied ? (word >>> (8 * (i - at))) & 0xff : bytes[i]);
          }

          const val = ref(word);
          memcpy(val, bytes.subarray(at), n);
          for (let i = 0; i < 4; i++) {
            expect((val.v >>> (8 * i)) & 0xff).toBe(i < n ? bytes[at + i] : (word >>> (8 * i)) & 0xff);
          }
        },
      ),
    );
  });
});
