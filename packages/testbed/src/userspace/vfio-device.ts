// SPDX-License-Identifier: GPL-2.0-only
import {
  VFIO_DEVICE_FEATURE,
  vfio_device_feature,
  VFIO_DEVICE_GET_INFO,
  vfio_device_info,
  VFIO_DEVICE_PCI_HOT_RESET,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  vfio_irq_set,
  vfio_pci_hot_reset,
  VFIO_SET_IOMMU,
  VFIO_TYPE1v2_IOMMU,
} from '@vfio-lab/headers';
import { errno_name, sizeof } from '@vfio-lab/kernel';
import { current, machine, trace } from '@vfio-lab/sim';
import { note_error } from '../end-state.ts';
import { REGION_SHIFT, REGIONS } from '../script/language.ts';
import { bufferOf, type User } from './user.ts';

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;

/** What the user asked for and got, for the timeline. */
function told(what: string, ret: number): number {
  if (ret < 0) note_error(current.name, `${what} ${errno_name(-ret)}`);
  if (machine.tracing) trace('user', `${what}: ${ret < 0 ? errno_name(-ret) : ret}`, { ret });
  return ret;
}

/** A device file, with the calls a virtual machine monitor makes on it. Results are >= 0, or -errno. */
export class VfioDevice {
  readonly user: User;
  readonly fd: number;
  readonly bdf: string;

  constructor(user: User, fd: number, bdf: string) {
    this.user = user;
    this.fd = fd;
    this.bdf = bdf;
  }

  /** Read `size` (1, 2, 4) bytes of a region as a little-endian number, or -errno. */
  async read(region: keyof typeof REGIONS, off: number, size: number): Promise<number> {
    const { ret, bytes } = await this.user.pread(this.fd, size, REGIONS[region] * REGION_SHIFT + off);
    told(`read ${size} of ${region} at 0x${off.toString(16)}`, ret);
    if (ret !== size) return ret;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[i];
    return value;
  }

  /** Write `size` bytes of a region; the count written, or -errno. */
  async write(region: keyof typeof REGIONS, off: number, size: number, value: number): Promise<number> {
    const bytes = Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff);
    const ret = await this.user.pwrite(this.fd, bytes, REGIONS[region] * REGION_SHIFT + off);
    return told(`write ${size} of ${region} at 0x${off.toString(16)}`, ret);
  }

  readConfig(off: number, size: number): Promise<number> {
    return this.read('cfg', off, size);
  }

  writeConfig(off: number, size: number, value: number): Promise<number> {
    return this.write('cfg', off, size, value);
  }

  /** GET_INFO: num_irqs, or -errno. */
  async numIrqs(): Promise<number> {
    const info = new vfio_device_info();
    info.argsz = sizeof(vfio_device_info);
    const ret = told('GET_INFO', await this.user.ioctlStruct(this.fd, VFIO_DEVICE_GET_INFO, info));
    return ret < 0 ? ret : info.num_irqs;
  }

  async reset(): Promise<number> {
    return told('RESET', await this.user.ioctl(this.fd, VFIO_DEVICE_RESET));
  }

  async hotReset(groupFds: readonly number[]): Promise<number> {
    const head = sizeof(vfio_pci_hot_reset);
    const reset = new vfio_pci_hot_reset(new Uint8Array(head + 4 * groupFds.length));
    reset.argsz = bufferOf(reset).length;
    reset.count = groupFds.length;
    bufferOf(reset).set(new Uint8Array(Int32Array.from(groupFds).buffer), head);
    return told('PCI_HOT_RESET', await this.user.ioctlStruct(this.fd, VFIO_DEVICE_PCI_HOT_RESET, reset));
  }

  /** SET_IRQS with one eventfd as the trigger of (index, 0); fd -1 takes it away. */
  setTrigger(index: number, eventfd: number): Promise<number> {
    return this.setIrqs(
      VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
      index,
      1,
      new Uint8Array(Int32Array.of(eventfd).buffer),
    );
  }

  /** SET_IRQS without data and count 0: the interrupt mode ends. */
  disableIrq(index: number): Promise<number> {
    return this.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, new Uint8Array());
  }

  maskIrq(index: number): Promise<number> {
    return this.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, index, 1, new Uint8Array());
  }

  unmaskIrq(index: number): Promise<number> {
    return this.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, index, 1, new Uint8Array());
  }

  private async setIrqs(flags: number, index: number, count: number, data: Uint8Array): Promise<number> {
    const head = sizeof(vfio_irq_set);
    const set = new vfio_irq_set(new Uint8Array(head + data.length));
    set.argsz = head + data.length;
    set.flags = flags;
    set.index = index;
    set.count = count;
    bufferOf(set).set(data, head);
    return told(
      `SET_IRQS ${index}, flags 0x${flags.toString(16)}`,
      await this.user.ioctlStruct(this.fd, VFIO_DEVICE_SET_IRQS, set),
    );
  }

  /** DEVICE_FEATURE with a payload; `bytes` is the payload as the kernel left it. */
  async feature(flags: number, payload: Uint8Array): Promise<{ ret: number; bytes: Uint8Array }> {
    const head = sizeof(vfio_device_feature);
    const feature = new vfio_device_feature(new Uint8Array(head + payload.length));
    feature.argsz = head + payload.length;
    feature.flags = flags;
    bufferOf(feature).set(payload, head);
    const ret = told(
      `FEATURE ${flags & 0xffff}${verbs(flags)}`,
      await this.user.ioctlStruct(this.fd, VFIO_DEVICE_FEATURE, feature),
    );
    return { ret, bytes: bufferOf(feature).subarray(head) };
  }

  /** Map a BAR from its start; an address, or -errno. */
  mmap(region: keyof typeof REGIONS, length: number): Promise<number> {
    return this.user.mmap(this.fd, length, PROT_READ_WRITE, MAP_SHARED, REGIONS[region] * REGION_SHIFT);
  }

  async close(): Promise<number> {
    return told('close', await this.user.close(this.fd));
  }
}

/** GET, SET and PROBE in the flags of DEVICE_FEATURE. */
function verbs(flags: number): string {
  return ['GET', 'SET', 'PROBE']
    .filter((_, i) => flags & (1 << (16 + i)))
    .map((v) => ` ${v}`)
    .join('');
}

/** Opened groups share one container, as a virtual machine monitor has it. */
export class VfioSession {
  readonly user: User;
  readonly groups = new Map<string, number>();
  private container = -1;

  constructor(user: User) {
    this.user = user;
  }

  /** Open a device by address and group number. Throws when a step before the device file fails. */
  async open(bdf: string, group: string): Promise<VfioDevice> {
    let groupFd = this.groups.get(group);
    if (groupFd === undefined) {
      if (this.container < 0)
        this.container = must(await this.user.open('/dev/vfio/vfio'), 'open /dev/vfio/vfio');
      groupFd = must(await this.user.open(`/dev/vfio/${group}`), `open group ${group}`);
      const first = this.groups.size === 0;
      const container = new Uint8Array(Int32Array.of(this.container).buffer);
      must((await this.user.ioctlBytes(groupFd, VFIO_GROUP_SET_CONTAINER, container)).ret, 'SET_CONTAINER');
      if (first) must(await this.user.ioctl(this.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), 'SET_IOMMU');
      this.groups.set(group, groupFd);
    }
    const name = new TextEncoder().encode(`${bdf}\0`);
    const fd = must(
      (await this.user.ioctlBytes(groupFd, VFIO_GROUP_GET_DEVICE_FD, name)).ret,
      'GET_DEVICE_FD',
    );
    return new VfioDevice(this.user, fd, bdf);
  }
}

function must(ret: number, what: string): number {
  if (ret < 0) throw new Error(`${what} failed with ${ret}`);
  return ret;
}
