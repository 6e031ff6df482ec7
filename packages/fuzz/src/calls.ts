// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a thread of the user calls, by subject. Eventfds have their parts: E0 and E1 are triggers, E2 unmasks, E3 tells
 * of a wake, E4 of a request to release. One that is both trigger and unmask of a level interrupt never rests.
 */
import fc from 'fast-check';
import type { Device } from './devices.ts';

/** Calls of one subject. */
export type Calls = fc.Arbitrary<string>;

const trigger = fc.constantFrom('E0', 'E1', 'E0', 'E1', '-1');
const one = fc.constantFrom;

function weighted(...choices: [number, Calls][]): Calls {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

/** Low power: enter, exit, and what it is made of. */
function lowPower(d: Device): Calls {
  const D = d.handle;
  return weighted(
    [6, one(`lp_enter ${D}`, `lp_enter ${D}`, `lp_enter ${D} wake:E3`, `lp_enter ${D} stay`)],
    [5, one(`lp_exit ${D}`)],
    [1, one(`feature ${D} PROBE|SET|LP_ENTRY`, `feature ${D} GET|LP_ENTRY data:0000000000000000`)],
    [2, one('close E3', 'efd_rd E3', 'efd E3')],
    ...(d.pm === 0
      ? []
      : [
          [3, one(3, 0, 0x103, 0x8100, 0x100).map((v) => `wr ${D} cfg ${d.pm + 4} 2 ${v}`)] as [
            number,
            Calls,
          ],
        ]),
  );
}

/** INTx and the command register, in which the guest has a mask of its own. */
function intx(d: Device): Calls {
  const D = d.handle;
  return weighted(
    [5, trigger.map((e) => `set_irqs ${D} DEFD|TRIGGER intx 0 1 efd:${e}`)],
    [2, one(`set_irqs ${D} DNONE|TRIGGER intx 0 0`)],
    [4, one('MASK', 'UNMASK').map((a) => `set_irqs ${D} DNONE|${a} intx 0 1`)],
    [
      2,
      fc
        .tuple(one('MASK', 'UNMASK'), one(0, 1))
        .map(([a, b]) => `set_irqs ${D} DBOOL|${a} intx 0 1 bool:${b}`),
    ],
    [2, one(`set_irqs ${D} DNONE|TRIGGER intx 0 1`, `set_irqs ${D} DBOOL|TRIGGER intx 0 1 bool:1`)],
    [3, one('E2', 'E2', '-1').map((e) => `set_irqs ${D} DEFD|UNMASK intx 0 1 efd:${e}`)],
    [2, one('efd_wr E2 1')],
    [4, one(0x400, 0x406, 6, 2, 0).map((v) => `wr ${D} cfg 4 2 ${v}`)],
    [2, one(`rd ${D} cfg 4 4`, 'efd_rd E0', 'efd_rd E1', 'poll E0')],
    ...(d.doorbell === null
      ? []
      : [
          [3, one(d.doorbell.raise, d.doorbell.ack, d.doorbell.ack).map((r) => `wr ${D} bar0 ${r} 4 1`)] as [
            number,
            Calls,
          ],
        ]),
  );
}

/** MSI, MSI-X, and the interrupts that no hardware raises: errors, requests, PME. */
function messages(d: Device): Calls {
  const D = d.handle;
  const irqs = [...(d.msi === 0 ? [] : ['msi', 'msi']), ...(d.msix === 0 ? [] : ['msix', 'msix'])];
  const vectors: [number, Calls][] =
    irqs.length === 0
      ? []
      : [
          [
            5,
            fc
              .tuple(one(...irqs), one(0, 0, 0, 1), fc.array(trigger, { minLength: 1, maxLength: 2 }))
              .map(
                ([irq, start, list]) =>
                  `set_irqs ${D} DEFD|TRIGGER ${irq} ${start} ${list.length} efd:${list.join(',')}`,
              ),
          ],
          [2, one(...irqs).map((irq) => `set_irqs ${D} DNONE|TRIGGER ${irq} 0 0`)],
          [1, one(...irqs).map((irq) => `set_irqs ${D} DNONE|TRIGGER ${irq} 0 1`)],
          [2, one(`set_irqs ${D} DEFD|TRIGGER intx 0 1 efd:E0`, `set_irqs ${D} DNONE|TRIGGER intx 0 0`)],
        ];
  return weighted(
    ...vectors,
    ...(d.msi === 0 ? [] : [[2, one(0, 1).map((v) => `wr ${D} cfg ${d.msi + 2} 2 ${v}`)] as [number, Calls]]),
    [
      3,
      fc
        .tuple(one('err', 'req', 'req', '5', '5'), one('E4', 'E1', '-1'))
        .map(([irq, e]) => `set_irqs ${D} DEFD|TRIGGER ${irq} 0 1 efd:${e}`),
    ],
    [1, one('err', 'req', '5').map((irq) => `set_irqs ${D} DNONE|TRIGGER ${irq} 0 1`)],
    [1, one('efd_rd E4', 'efd E4', 'close E4', 'poll E4')],
  );
}

/** Resets of the device and of its bus. */
function reset(d: Device, groups: string[]): Calls {
  const D = d.handle;
  return weighted(
    [5, one(`reset ${D}`)],
    [4, one(`hotreset ${D} fds:${groups.join(',')}`, `hotreset ${D} fds:${d.group}`)],
    [1, one(`hotreset_info ${D} argsz=256`)],
  );
}

/** Registers and memory of the device, by read and write and by mapping, and an eventfd that writes one. */
function memory(d: Device): Calls {
  const D = d.handle;
  const reg = d.doorbell?.raise ?? 0x20;
  return weighted(
    [
      3,
      fc
        .tuple(one(0, 4, 0x10, 0x34, 0x3c, d.pm + 4), one(1, 2, 4))
        .map(([off, n]) => `rd ${D} cfg ${off} ${n}`),
    ],
    [3, one(`rd ${D} bar0 0 4`, `wr ${D} bar0 0x20 4 1`, `wr ${D} bar0 ${reg} 4 1`)],
    [3, one(6, 6, 0, 2).map((v) => `wr ${D} cfg 4 2 ${v}`)],
    [1, one(`wr ${D} cfg 0x10 4 0xffffffff`, `rd ${D} rom 0 4`, `rd ${D} vga 0xa0000 4`)],
    [4, one('M0', 'M0', 'M1').map((m) => `mmap ${m} ${D} bar0 0 0x1000 rw`)],
    [4, fc.tuple(one('M0', 'M0', 'M0', 'M1'), one(0, 0x20)).map(([m, off]) => `mrd ${m} ${off} 4`)],
    [3, one('M0', 'M0', 'M0', 'M1').map((m) => `mwr ${m} ${reg} 4 1`)],
    [2, one('munmap M0', 'munmap M1')],
    [
      2,
      fc
        .tuple(one('E1', 'E2', '-1'), one(1, 4))
        .map(([e, n]) => `ioeventfd ${D} ${n} ${reg} 1 ${e} region=bar0`),
    ],
    [1, one('efd_wr E1 1', 'efd_wr E2 1')],
  );
}

/** The device file, its group and its container, opened and closed. */
function files(d: Device): Calls {
  const { handle: D, group: G, bdf } = d;
  const X = `X${D.slice(1)}`;
  return weighted(
    [5, one(`close ${D}`)],
    [5, one(`device ${D} ${G} ${bdf}`)],
    [2, one(`device ${X} ${G} ${bdf}`, `close ${X}`, `dup ${D} ${X}`)],
    [
      1,
      one(
        `close ${G}`,
        `group ${G} ${bdf}`,
        `set_container ${G} C0`,
        `unset_container ${G}`,
        `group_status ${G}`,
      ),
    ],
    [1, one('close E0', 'efd E0', 'close E2', 'efd E2')],
  );
}

/** What only asks, and DMA mappings. */
function others(d: Device): Calls {
  const D = d.handle;
  return one(
    `info ${D}`,
    `region ${D} bar0`,
    `region ${D} cfg`,
    `irq ${D} intx`,
    `irq ${D} msi`,
    `irq ${D} 5`,
    'dma_map C0 0x10000 0x1000 READ|WRITE',
    'dma_unmap C0 0x10000 0x1000',
    'iommu_info C0',
    `lseek ${D} 0`,
    'sleep 1',
    'sleep 200',
  );
}

/** Calls that are not meant as they stand: numbers and words from anywhere. */
function wrong(d: Device): Calls {
  const D = one(d.handle, d.handle, d.handle, 'G0', 'C0', 'E0');
  const n = one(0, 1, 2, 3, 5, 0xff, 0xffffffff);
  return fc.oneof(
    fc
      .tuple(
        D,
        one('DNONE', 'DBOOL', 'DEFD'),
        one('MASK', 'UNMASK', 'TRIGGER'),
        one('intx', 'msi', 'msix', 'err', 'req', '5', '6'),
        n,
        n,
      )
      .map(
        ([D, data, action, irq, start, count]) =>
          `set_irqs ${D} ${data}|${action} ${irq} ${start} ${count} efd:E0,-1`,
      ),
    fc
      .tuple(
        D,
        one('SET', 'GET', 'PROBE', 'SET|PROBE', 'GET|SET'),
        one('LP_ENTRY', 'LP_ENTRY_WAKE', 'LP_EXIT', 'VF_TOKEN', '9'),
        one('', ' wake:E3', ' data:0300000000000000', ' wake:-1'),
      )
      .map(([D, verb, f, data]) => `feature ${D} ${verb}|${f}${data}`),
    fc
      .tuple(D, one('cfg', 'bar0', 'bar5', 'rom'), fc.nat(0x120), one(1, 2, 4, 8))
      .map(([D, r, off, len]) => `rd ${D} ${r} ${off} ${len}`),
    fc.tuple(D, fc.nat(0xff), one(1, 2, 4), n).map(([D, off, len, v]) => `wr ${D} cfg ${off} ${len} ${v}`),
  );
}

/** What the host does with a device through sysfs. */
export function hostCalls(d: Device): Calls {
  const { bdf } = d;
  return weighted(
    [
      5,
      fc
        .tuple(one(0, 0, 4, 0x34, d.pm + 4), one(4, 64))
        .map(([off, len]) => `hostcfg_r ${bdf} ${off} ${len}`),
    ],
    [4, one('on', 'auto').map((v) => `syswrite ${bdf}/power/control ${v}`)],
    [2, one('power/runtime_status', 'power_state', 'resource').map((f) => `sysread ${bdf}/${f}`)],
    [2, one(`syswrite ${bdf}/reset 1`)],
    [2, one(`unbind ${bdf}`)],
    [1, one(`bind ${bdf}`)],
    [1, one(0, 1).map((v) => `syswrite ${bdf}/d3cold_allowed ${v}`)],
    [3, one('sleep 1', 'sleep 200')],
    ...(d.sriov
      ? [[6, one(2, 1, 0).map((n) => `syswrite ${bdf}/sriov_numvfs ${n}`)] as [number, Calls]]
      : []),
  );
}

/** What a device does by itself. */
export function deviceEvents(d: Device): Calls {
  const { bdf } = d;
  return weighted(
    ...(d.doorbell === null
      ? []
      : [
          [6, one(`ring ${bdf} ${d.doorbell.raise}`)] as [number, Calls],
          [2, one(`ring ${bdf} ${d.doorbell.ack}`)] as [number, Calls],
        ]),
    ...(d.intx ? [[1, one(0, 0, 1).map((on) => `level ${bdf} ${on}`)] as [number, Calls]] : []),
    ...(d.pm === 0 ? [] : [[1, one(`pme ${bdf}`)] as [number, Calls]]),
    [1, one(`aer ${bdf}`)],
    [2, one('sleep 1', 'sleep 200')],
  );
}

/** Subjects of user calls; a program has some that come often. */
export const SUBJECTS = { lowPower, intx, messages, reset, memory, files, others, wrong } as const;
export type SubjectName = keyof typeof SUBJECTS;
