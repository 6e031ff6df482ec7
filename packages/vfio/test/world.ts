// SPDX-License-Identifier: GPL-2.0-only
/* A kernel with vfio.ko, an IOMMU driver and devices that only write down what is asked of them; and a process. */
import {
  bus_type,
  create_process,
  dev_set_name,
  device,
  device_driver,
  device_initialize,
  ENOTTY,
  ERR_PTR,
  get_module,
  IS_ERR,
  O_RDWR,
  spawn_thread,
  sys_close,
  sys_exit_group,
  sys_ioctl,
  sys_openat,
} from '@vfio-lab/kernel';
import type { mm_struct, process } from '@vfio-lab/kernel';
import {
  iommu_group_add_device,
  iommu_group_alloc,
  iommu_group_put,
  iommu_group_remove_device,
} from '@vfio-lab/iommu';
import type { iommu_group } from '@vfio-lab/iommu';
import {
  VFIO_CHECK_EXTENSION,
  vfio_device,
  VFIO_GROUP_GET_DEVICE_FD,
  VFIO_GROUP_SET_CONTAINER,
  VFIO_SET_IOMMU,
  VFIO_TYPE1_IOMMU,
} from '@vfio-lab/headers';
import type { Kernel, vfio_device_ops, vfio_iommu_driver_ops } from '@vfio-lab/headers';
import { join } from '@vfio-lab/sim';

/** An IOMMU driver for VFIO_TYPE1_IOMMU. `fail` makes the named call fail once with the errno. */
export class FakeIommu implements vfio_iommu_driver_ops {
  readonly name = 'fake-iommu';
  readonly owner = get_module('fake_iommu');
  readonly log: string[];
  readonly fail = new Map<string, number>();
  extensions: readonly number[] = [VFIO_TYPE1_IOMMU];

  constructor(log: string[]) {
    this.log = log;
  }

  #result(call: string): number {
    const errno = this.fail.get(call);
    this.fail.delete(call);
    this.log.push(errno === undefined ? `iommu ${call}` : `iommu ${call} fails`);
    return errno === undefined ? 0 : -errno;
  }

  open(arg: number): unknown {
    const ret = this.#result(`open ${arg}`);
    return ret === 0 ? { arg } : ERR_PTR(ret);
  }

  release(): void {
    this.#result('release');
  }

  ioctl(iommu_data: unknown, cmd: number, arg: number): number {
    if (cmd === VFIO_CHECK_EXTENSION) return Number(this.extensions.includes(arg));
    if (iommu_data === null) return -ENOTTY;
    this.#result(`ioctl ${cmd.toString(16)}`);
    return 7;
  }

  attach_group(_iommu_data: unknown, group: iommu_group): number {
    return this.#result(`attach ${group.id}`);
  }

  detach_group(_iommu_data: unknown, group: iommu_group): void {
    this.#result(`detach ${group.id}`);
  }

  notify(_iommu_data: unknown, event: number): void {
    this.#result(`notify ${event}`);
  }
}

/** A device of a fake bus with a vfio_device on it. */
export class FakeDevice {
  readonly dev = new device(this);
  readonly vdev = new vfio_device(this);
  readonly ops: vfio_device_ops;

  constructor(name: string, bus: bus_type, driver: device_driver, log: string[]) {
    device_initialize(this.dev);
    dev_set_name(this.dev, name);
    this.dev.bus = bus;
    this.dev.driver = driver;
    this.ops = {
      name: 'fake',
      open_device: () => (log.push(`open ${name}`), 0),
      close_device: () => void log.push(`close ${name}`),
      ioctl: (_vdev, cmd, arg) => (log.push(`ioctl ${name} ${cmd.toString(16)} ${arg}`), 0),
    };
  }
}

export class World {
  readonly k: Kernel;
  /** Calls into the IOMMU driver and the devices, in order. */
  readonly log: string[] = [];
  readonly iommu = new FakeIommu(this.log);
  readonly bus = new bus_type('fake');
  readonly driver = new device_driver();
  readonly process: process = create_process('test');
  readonly devices = new Map<string, FakeDevice>();

  private constructor(k: Kernel) {
    this.k = k;
    this.driver.name = 'fake';
    this.driver.owner = get_module('fake');
  }

  /** Load the modules and make the IOMMU driver known. */
  static async boot(k: Kernel): Promise<World> {
    const world = new World(k);
    await k.vfio_init();
    k.vfio_virqfd_init();
    await k.vfio_register_iommu_driver(world.iommu);
    return world;
  }

  /** A new IOMMU group with one device for each name, all registered with VFIO. */
  async group(...names: string[]): Promise<iommu_group> {
    const group = await iommu_group_alloc();
    if (IS_ERR(group)) throw new Error('no group');
    let ret = 0;
    for (const name of names) {
      const fake = new FakeDevice(name, this.bus, this.driver, this.log);
      this.devices.set(name, fake);
      await iommu_group_add_device(group, fake.dev);
      this.k.vfio_init_group_dev(fake.vdev, fake.dev, fake.ops);
      ret = await this.k.vfio_register_group_dev(fake.vdev);
    }
    await iommu_group_put(group);
    if (ret !== 0) throw new Error(`vfio_register_group_dev: ${ret}`);
    return group;
  }

  device(name: string): FakeDevice {
    const fake = this.devices.get(name);
    if (fake === undefined) throw new Error(`no device ${name}`);
    return fake;
  }

  /** Take a device away, as a driver's remove does. */
  async remove(name: string): Promise<void> {
    const { vdev, dev } = this.device(name);
    await this.k.vfio_unregister_group_dev(vdev);
    await this.k.vfio_uninit_group_dev(vdev);
    await iommu_group_remove_device(dev);
    this.devices.delete(name);
  }

  /** Run a program in the process and wait for its end; an exception of the program goes on. */
  async user<T>(program: (user: User) => Promise<T>): Promise<T> {
    let outcome: { value: T } | { error: unknown } | undefined;
    const task = spawn_thread(this.process, 'user', async () => {
      try {
        outcome = { value: await program(new User(this.process.mm as mm_struct)) };
      } catch (error) {
        outcome = { error };
      }
    });
    await join(task);
    if (outcome === undefined) throw new Error('the program never ended');
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** End the process, remove all devices, unload. What is left behind then is a leak. */
  async shutdown(): Promise<void> {
    await this.user(async () => await sys_exit_group());
    for (const name of [...this.devices.keys()]) await this.remove(name);
    await this.k.vfio_unregister_iommu_driver(this.iommu);
    await this.k.vfio_virqfd_exit();
    await this.k.vfio_cleanup();
  }
}

/** System calls with arguments in the memory of the process. */
export class User {
  readonly mm: mm_struct;

  constructor(mm: mm_struct) {
    this.mm = mm;
  }

  open(path: string): Promise<number> {
    return sys_openat(path, O_RDWR);
  }

  close(fd: number): Promise<number> {
    return sys_close(fd);
  }

  ioctl(fd: number, cmd: number, arg = 0): Promise<number> {
    return sys_ioctl(fd, cmd, arg);
  }

  /** ioctl with a pointer to bytes; they hold what the kernel wrote afterwards. */
  async ioctl_bytes(fd: number, cmd: number, bytes: Uint8Array): Promise<number> {
    const addr = this.mm.alloc(bytes.length);
    this.mm.store(addr, bytes);
    const ret = await sys_ioctl(fd, cmd, addr);
    bytes.set(this.mm.load(addr, bytes.length));
    this.mm.free(addr, bytes.length);
    return ret;
  }

  set_container(group: number, container: number): Promise<number> {
    return this.ioctl_bytes(
      group,
      VFIO_GROUP_SET_CONTAINER,
      new Uint8Array(new Int32Array([container]).buffer),
    );
  }

  set_iommu(container: number): Promise<number> {
    return this.ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU);
  }

  get_device(group: number, name: string): Promise<number> {
    return this.ioctl_bytes(group, VFIO_GROUP_GET_DEVICE_FD, new TextEncoder().encode(`${name}\0`));
  }

  /** Container, groups and IOMMU, up to the point where devices can be opened. */
  async setup(...groups: iommu_group[]): Promise<{ container: number; groups: number[] }> {
    const container = await this.open('/dev/vfio/vfio');
    const fds: number[] = [];
    for (const group of groups) {
      const fd = await this.open(`/dev/vfio/${group.id}`);
      const ret = await this.set_container(fd, container);
      if (ret !== 0) throw new Error(`SET_CONTAINER: ${ret}`);
      fds.push(fd);
    }
    const ret = await this.set_iommu(container);
    if (ret !== 0) throw new Error(`SET_IOMMU: ${ret}`);
    return { container, groups: fds };
  }
}
