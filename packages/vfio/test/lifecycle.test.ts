// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  devtmpfs_list,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  EMFILE,
  ENODEV,
  ENOENT,
  ENOTTY,
  EPERM,
  ERR_PTR,
  file,
  module_refcount,
  slab_live,
  spawn_thread,
  sys_dup,
  sys_mmap,
  sys_pread64,
  sys_pwrite64,
} from '@vfio-lab/kernel';
import { iommu_group_dma_owner_claimed, iommu_group_remove_device, iommu_setup } from '@vfio-lab/iommu';
import {
  VFIO_API_VERSION,
  VFIO_CHECK_EXTENSION,
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
  VFIO_DEVICE_FEATURE_MIGRATION,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_RESET,
  VFIO_GET_API_VERSION,
  VFIO_GROUP_GET_STATUS,
  VFIO_GROUP_SET_CONTAINER,
  vfio_group_status,
  VFIO_GROUP_UNSET_CONTAINER,
  VFIO_NOIOMMU_IOMMU,
  VFIO_SET_IOMMU,
  VFIO_TYPE1_IOMMU,
} from '@vfio-lab/headers';
import type { vfio_device } from '@vfio-lab/headers';
import { join, machine, sleep_ns } from '@vfio-lab/sim';
import { onMachine } from './harness.ts';
import { FakeDevice, World } from './world.ts';
import type { User } from './world.ts';

/** A world; at the end everything is closed, removed and unloaded, and nothing may be left. */
async function inWorld(fn: (world: World) => Promise<void>, findings: readonly string[] = []): Promise<void> {
  await onMachine(async (k) => {
    const world = await World.boot(k);
    await fn(world);
    await world.shutdown();
    expect(slab_live().map((a) => a.what)).toEqual([]);
    for (const mod of [k.vfio_module, world.iommu.owner, world.driver.owner])
      expect(mod && module_refcount(mod)).toBe(0);
    expect(devtmpfs_list('/dev/vfio')).toEqual([]);
  }, findings);
}

async function status(user: User, group: number): Promise<number> {
  const st = Object.assign(new vfio_group_status(), { argsz: 8 });
  expect(await user.ioctl_bytes(group, VFIO_GROUP_GET_STATUS, st.bytes)).toBe(0);
  return st.flags;
}

describe('registration', () => {
  it('should make a node for each group, gone with its last device', async () => {
    await inWorld(async (world) => {
      await world.group('a', 'b');
      await world.group('c');
      expect(devtmpfs_list('/dev/vfio')).toEqual(['0', '1', 'vfio']);
      await world.remove('a');
      expect(devtmpfs_list('/dev/vfio')).toEqual(['0', '1', 'vfio']);
      await world.remove('b');
      expect(devtmpfs_list('/dev/vfio')).toEqual(['1', 'vfio']);
    });
  });

  it('should give a device without a set one of its own', async () => {
    await inWorld(async (world) => {
      await world.group('a', 'b');
      const [a, b] = [world.device('a').vdev.dev_set, world.device('b').vdev.dev_set];
      expect(a).not.toBe(b);
      expect([a.device_count, b.device_count]).toEqual([1, 1]);
    });
  });

  it('should share a set between devices that name the same one', async () => {
    await inWorld(async (world) => {
      await world.group('a');
      await world.group('b');
      const set_id = {};
      const fakes = ['c', 'd'].map((name) => new FakeDevice(name, world.bus, world.driver, world.log));
      for (const { vdev } of fakes) expect(await world.k.vfio_assign_device_set(vdev, set_id)).toBe(0);
      expect(fakes[0].vdev.dev_set).toBe(fakes[1].vdev.dev_set);
      expect(fakes[0].vdev.dev_set.device_count).toBe(2);
      for (const { vdev } of fakes) await world.k.vfio_uninit_group_dev(vdev);
      expect(world.k.vfio_device_set_xa.entries.size).toBe(2);
    });
  });

  it('should refuse a device that is registered already, with a warning', async () => {
    await inWorld(
      async (world) => {
        await world.group('a');
        const twin = new FakeDevice('twin', world.bus, world.driver, world.log);
        world.k.vfio_init_group_dev(twin.vdev, world.device('a').dev, twin.ops);
        expect(await world.k.vfio_register_group_dev(twin.vdev)).toBe(-EBUSY);
        await world.k.vfio_uninit_group_dev(twin.vdev);
      },
      ['WARN_ON'],
    );
  });

  it('should refuse a device without a group, and any device when DMA is not coherent', async () => {
    await inWorld(async (world) => {
      const fake = new FakeDevice('a', world.bus, world.driver, world.log);
      world.k.vfio_init_group_dev(fake.vdev, fake.dev, fake.ops);
      expect(await world.k.vfio_register_group_dev(fake.vdev)).toBe(-EINVAL);
      iommu_setup({ cache_coherency: false });
      await expect(world.group('b')).rejects.toThrow('vfio_register_group_dev: -22');
      await iommu_group_remove_device(world.device('b').dev);
      world.devices.delete('b');
    });
  });

  it('should make a group for a device with an emulated IOMMU', async () => {
    await inWorld(async (world) => {
      const fake = new FakeDevice('mdev', world.bus, world.driver, world.log);
      world.k.vfio_init_group_dev(fake.vdev, fake.dev, fake.ops);
      expect(await world.k.vfio_register_emulated_iommu_dev(fake.vdev)).toBe(0);
      expect(devtmpfs_list('/dev/vfio')).toEqual(['0', 'vfio']);
      await world.user(async (user) => {
        const { groups } = await user.setup(fake.vdev.group.iommu_group);
        expect(await user.close(await user.get_device(groups[0], 'mdev'))).toBe(0);
        // Nothing owns the DMA of a group that has none
        expect(await iommu_group_dma_owner_claimed(fake.vdev.group.iommu_group)).toBe(false);
        await user.close(groups[0]);
      });
      await world.k.vfio_unregister_group_dev(fake.vdev);
      await world.k.vfio_uninit_group_dev(fake.vdev);
      expect(devtmpfs_list('/dev/vfio')).toEqual(['vfio']);
    });
  });

  it('should give IOMMU drivers one place each', async () => {
    await inWorld(async (world) => {
      expect(await world.k.vfio_register_iommu_driver(world.iommu)).toBe(-EINVAL);
    });
  });
});

describe('without an IOMMU', () => {
  async function noiommu(world: World): Promise<FakeDevice> {
    world.k.CONFIG_VFIO_NOIOMMU = true;
    world.k.noiommu = true;
    await world.k.vfio_register_iommu_driver(world.k.vfio_noiommu_ops);
    const fake = new FakeDevice('a', world.bus, world.driver, world.log);
    world.k.vfio_init_group_dev(fake.vdev, fake.dev, fake.ops);
    expect(await world.k.vfio_register_group_dev(fake.vdev)).toBe(0);
    return fake;
  }

  it('should let root use devices, in containers of their own kind', async () => {
    await inWorld(async (world) => {
      const fake = await noiommu(world);
      const other = await world.group('b');
      expect(devtmpfs_list('/dev/vfio')).toEqual(['1', 'noiommu-0', 'vfio']);
      await world.user(async (user) => {
        const container = await user.open('/dev/vfio/vfio');
        expect(await user.ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU)).toBe(1);
        const group = await user.open('/dev/vfio/noiommu-0');
        expect(await user.set_container(group, container)).toBe(0);
        const real = await user.open(`/dev/vfio/${other.id}`);
        expect(await user.set_container(real, container)).toBe(-EPERM);
        expect(await user.set_iommu(container)).toBe(-ENODEV);
        expect(await user.ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU)).toBe(0);
        expect(await user.ioctl(container, 0x3bff)).toBe(-ENOTTY);
        const device = await user.get_device(group, 'a');
        expect(await user.close(device)).toBe(0);
        world.process.dropped_caps.add(17);
        expect(await user.get_device(group, 'a')).toBe(-EPERM);
        expect(await user.open('/dev/vfio/noiommu-0')).toBe(-EPERM);
        world.process.dropped_caps.clear();
        for (const fd of [group, real, container]) await user.close(fd);
      });
      await world.k.vfio_unregister_group_dev(fake.vdev);
      await world.k.vfio_uninit_group_dev(fake.vdev);
    });
  });
});

describe('the container', () => {
  it('should know its version and the extensions of the IOMMU drivers', async () => {
    await inWorld(async (world) => {
      await world.user(async (user) => {
        const fd = await user.open('/dev/vfio/vfio');
        expect(await user.ioctl(fd, VFIO_GET_API_VERSION)).toBe(VFIO_API_VERSION);
        expect(await user.ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU)).toBe(1);
        expect(await user.ioctl(fd, VFIO_CHECK_EXTENSION, 99)).toBe(0);
        expect(await user.ioctl(fd, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU)).toBe(-EINVAL);
        expect(await user.ioctl(fd, 0x3b71)).toBe(-EINVAL);
      });
    });
  });

  it('should take groups, and an IOMMU once it has one', async () => {
    await inWorld(async (world) => {
      const [one, two] = [await world.group('a'), await world.group('b')];
      await world.user(async (user) => {
        const container = await user.open('/dev/vfio/vfio');
        const first = await user.open(`/dev/vfio/${one.id}`);
        const second = await user.open(`/dev/vfio/${two.id}`);
        expect(await status(user, first)).toBe(1);
        expect(await user.set_container(first, container)).toBe(0);
        expect(await status(user, first)).toBe(3);
        expect(await user.set_container(first, container)).toBe(-EINVAL);
        expect(await user.ioctl(container, VFIO_SET_IOMMU, 99)).toBe(-ENODEV);
        expect(await user.set_iommu(container)).toBe(0);
        expect(await user.set_iommu(container)).toBe(-EINVAL);
        expect(await user.set_container(second, container)).toBe(0);
        expect(await user.ioctl(container, 0x3b71, 5)).toBe(7);
        expect(world.log).toEqual(['iommu open 1', 'iommu attach 0', 'iommu attach 1', 'iommu ioctl 3b71']);

        expect(await user.ioctl(first, VFIO_GROUP_UNSET_CONTAINER)).toBe(0);
        expect(await user.ioctl(first, VFIO_GROUP_UNSET_CONTAINER)).toBe(-EINVAL);
        expect(await user.ioctl(second, VFIO_GROUP_UNSET_CONTAINER)).toBe(0);
        expect(world.log.slice(4)).toEqual(['iommu detach 0', 'iommu detach 1', 'iommu release']);
        // Back at the beginning
        expect(await user.set_iommu(container)).toBe(-EINVAL);
        expect(await status(user, first)).toBe(1);
      });
    });
  });

  it('should detach the groups it got when one fails, and release the IOMMU', async () => {
    await inWorld(async (world) => {
      const groups = [await world.group('a'), await world.group('b'), await world.group('c')];
      await world.user(async (user) => {
        const container = await user.open('/dev/vfio/vfio');
        for (const g of groups) await user.set_container(await user.open(`/dev/vfio/${g.id}`), container);
        world.iommu.fail.set('attach 0', EBUSY);
        expect(await user.set_iommu(container)).toBe(-EBUSY);
        expect(world.log).toEqual([
          'iommu open 1',
          'iommu attach 2',
          'iommu attach 1',
          'iommu attach 0 fails',
          'iommu detach 1',
          'iommu detach 2',
          'iommu release',
        ]);
        world.iommu.fail.set('open 1', EPERM);
        expect(await user.set_iommu(container)).toBe(-EPERM);
        expect(await user.set_iommu(container)).toBe(0);
      });
    });
  });

  it('should give a group back when the IOMMU refuses it', async () => {
    await inWorld(async (world) => {
      const [one, two] = [await world.group('a'), await world.group('b')];
      await world.user(async (user) => {
        const { container } = await user.setup(one);
        const second = await user.open(`/dev/vfio/${two.id}`);
        world.iommu.fail.set(`attach ${two.id}`, EINVAL);
        expect(await user.set_container(second, container)).toBe(-EINVAL);
        expect(await status(user, second)).toBe(1);
        expect(await user.set_container(second, container)).toBe(0);
      });
    });
  });

  it('should be told from any other file', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const fd = await user.open(`/dev/vfio/${group.id}`);
        expect(await user.set_container(fd, fd)).toBe(-EINVAL);
        expect(await user.set_container(fd, 0)).toBe(-EINVAL);
        expect(await user.set_container(fd, 77)).toBe(-EBADF);
        expect(await user.set_container(fd, -1)).toBe(-EINVAL);
        expect(await user.ioctl(fd, VFIO_GROUP_SET_CONTAINER, 0)).toBe(-EFAULT);
        expect(await user.ioctl(fd, VFIO_GROUP_GET_STATUS, 0)).toBe(-EFAULT);
        const short = Object.assign(new vfio_group_status(), { argsz: 7 });
        expect(await user.ioctl_bytes(fd, VFIO_GROUP_GET_STATUS, short.bytes)).toBe(-EINVAL);
        expect(await user.ioctl(fd, VFIO_GET_API_VERSION)).toBe(-ENOTTY);
      });
    });
  });
});

describe('the group', () => {
  it('should have one opener', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const path = `/dev/vfio/${group.id}`;
        const fd = await user.open(path);
        expect(await user.open(path)).toBe(-EBUSY);
        const copy = await sys_dup(fd);
        await user.close(fd);
        expect(await user.open(path)).toBe(-EBUSY);
        await user.close(copy);
        expect(await user.close(await user.open(path))).toBe(0);
      });
    });
  });

  it('should stay open while a device of it is', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const { container, groups } = await user.setup(group);
        const device = await user.get_device(groups[0], 'a');
        expect(device).toBeGreaterThan(0);
        expect(await user.ioctl(groups[0], VFIO_GROUP_UNSET_CONTAINER)).toBe(-EBUSY);
        await user.close(groups[0]);
        await user.close(container);
        expect(await user.open(`/dev/vfio/${group.id}`)).toBe(-EBUSY);
        expect(await iommu_group_dma_owner_claimed(group)).toBe(true);
        world.log.length = 0;
        await user.close(device);
        expect(world.log).toEqual(['close a', 'iommu detach 0', 'iommu release']);
        expect(await iommu_group_dma_owner_claimed(group)).toBe(false);
        expect(await user.close(await user.open(`/dev/vfio/${group.id}`))).toBe(0);
      });
    });
  });

  it('should be gone for new openers when its last device is', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const fd = await user.open(`/dev/vfio/${group.id}`);
        await world.remove('a');
        // The opener keeps it alive
        expect(await status(user, fd)).toBe(1);
        expect(await user.get_device(fd, 'a')).toBe(-ENODEV);
        await user.close(fd);
        expect(await user.open(`/dev/vfio/${group.id}`)).toBe(-ENOENT);
      });
    });
  });
});

describe('the device', () => {
  it('should open once for any number of files', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a', 'b');
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        world.log.length = 0;
        const one = await user.get_device(groups[0], 'b');
        const two = await user.get_device(groups[0], 'b');
        const { vdev } = world.device('b');
        expect([vdev.open_count, vdev.group.container_users, vdev.refcount.counter]).toEqual([2, 3, 3]);
        await user.close(one);
        expect(world.log).toEqual(['open b']);
        await user.close(two);
        expect(world.log).toEqual(['open b', 'close b']);
        expect([vdev.open_count, vdev.group.container_users, vdev.refcount.counter]).toEqual([0, 1, 1]);
      });
    });
  });

  it('should need a container with an IOMMU', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const fd = await user.open(`/dev/vfio/${group.id}`);
        expect(await user.get_device(fd, 'a')).toBe(-EINVAL);
        const container = await user.open('/dev/vfio/vfio');
        await user.set_container(fd, container);
        expect(await user.get_device(fd, 'a')).toBe(-EINVAL);
        await user.set_iommu(container);
        expect(await user.get_device(fd, 'nobody')).toBe(-ENODEV);
        expect(await user.ioctl(fd, 0x3b6a, 0)).toBe(-EFAULT);
        expect(await user.get_device(fd, 'a')).toBeGreaterThan(0);
      });
    });
  });

  it('should undo everything when it cannot be opened', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      const { vdev, ops } = world.device('a');
      const { open_device } = ops;
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        const rest = [vdev.open_count, vdev.group.container_users, vdev.refcount.counter];
        ops.open_device = () => -EPERM;
        expect(await user.get_device(groups[0], 'a')).toBe(-EPERM);
        ops.open_device = open_device;
        (world.driver.owner as { state: string }).state = 'going';
        expect(await user.get_device(groups[0], 'a')).toBe(-ENODEV);
        (world.driver.owner as { state: string }).state = 'live';
        (world.k.vfio_module as { state: string }).state = 'going';
        expect(await user.get_device(groups[0], 'a')).toBe(-ENOENT);
        (world.k.vfio_module as { state: string }).state = 'live';
        expect(world.log.slice(-2)).toEqual(['open a', 'close a']);
        const files: number[] = [];
        for (let fd = 0; fd >= 0; fd = await sys_dup(0)) files.push(fd);
        expect(await user.get_device(groups[0], 'a')).toBe(-EMFILE);
        for (const fd of files.slice(1)) await user.close(fd);
        expect([vdev.open_count, vdev.group.container_users, vdev.refcount.counter]).toEqual(rest);
      });
    });
  });

  it('should be found by its own match when it has one', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      const { ops } = world.device('a');
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        ops.match = (_vdev, buf) => (buf === 'bad' ? -EINVAL : Number(buf.startsWith('a ')));
        expect(await user.get_device(groups[0], 'a')).toBe(-ENODEV);
        expect(await user.get_device(groups[0], 'bad')).toBe(-EINVAL);
        expect(await user.get_device(groups[0], 'a token')).toBeGreaterThan(0);
      });
    });
  });

  it('should pass calls on to its driver', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      const { ops } = world.device('a');
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        const fd = await user.get_device(groups[0], 'a');
        world.log.length = 0;
        expect(await user.ioctl(fd, VFIO_DEVICE_GET_INFO, 3)).toBe(0);
        const buf = user.mm.alloc(4);
        expect(await sys_pread64(fd, buf, 4, 0)).toBe(-EINVAL);
        expect(await sys_pwrite64(fd, buf, 4, 0)).toBe(-EINVAL);
        expect(await sys_mmap(0, 4096, 3, 1, fd, 0)).toBe(-EINVAL);
        ops.read = (_vdev, _buf, count, ppos) => (world.log.push(`read ${count} at ${ppos.v}`), count);
        ops.write = (_vdev, _buf, count, ppos) => (world.log.push(`write ${count} at ${ppos.v}`), count);
        ops.mmap = (_vdev, vma) => (world.log.push(`mmap page ${vma.vm_pgoff}`), -ENODEV);
        expect(await sys_pread64(fd, buf, 4, 7 * 2 ** 40)).toBe(4);
        expect(await sys_pwrite64(fd, buf, 2, 8)).toBe(2);
        expect(await sys_mmap(0, 4096, 3, 1, fd, 8192)).toBe(-ENODEV);
        delete ops.ioctl;
        expect(await user.ioctl(fd, VFIO_DEVICE_RESET)).toBe(-EINVAL);
        expect(world.log).toEqual([
          'ioctl a 3b6b 3',
          'read 4 at 7696581394432',
          'write 2 at 8',
          'mmap page 2',
        ]);
      });
    });
  });
});

describe('VFIO_DEVICE_FEATURE', () => {
  const [GET, SET, PROBE] = [VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, VFIO_DEVICE_FEATURE_PROBE];

  async function feature(
    user: User,
    fd: number,
    flags: number,
    data: number[] = [],
    argsz?: number,
  ): Promise<number[]> {
    const words = new Uint32Array([argsz ?? 8 + 4 * data.length, flags, ...data]);
    const bytes = new Uint8Array(words.buffer);
    const ret = await user.ioctl_bytes(fd, VFIO_DEVICE_FEATURE, bytes);
    return [ret, ...words.subarray(2)];
  }

  async function withDevice(
    fn: (user: User, fd: number, vdev: vfio_device, world: World) => Promise<void>,
  ): Promise<void> {
    await inWorld(async (world) => {
      const group = await world.group('a');
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        await fn(user, await user.get_device(groups[0], 'a'), world.device('a').vdev, world);
      });
    });
  }

  it('should check the header first', async () => {
    await withDevice(async (user, fd) => {
      expect(await user.ioctl(fd, VFIO_DEVICE_FEATURE, 0)).toBe(-EFAULT);
      expect(await feature(user, fd, GET, [], 7)).toEqual([-EINVAL]);
      expect(await feature(user, fd, GET | (1 << 19))).toEqual([-EINVAL]);
      expect(await feature(user, fd, GET | SET | 5)).toEqual([-EINVAL]);
      expect(await feature(user, fd, GET | 5)).toEqual([-EINVAL]);
    });
  });

  it('should hand other features to the driver with what follows the header', async () => {
    await withDevice(async (user, fd, vdev) => {
      const seen: number[][] = [];
      vdev.ops.device_feature = (_device, flags, arg, argsz) => {
        seen.push([flags, argsz, user.mm.load(arg, 1)[0]]);
        return -ENOTTY;
      };
      expect(await feature(user, fd, PROBE | GET | SET | 5, [42])).toEqual([-ENOTTY, 42]);
      expect(seen).toEqual([[PROBE | GET | SET | 5, 4, 42]]);
    });
  });

  it('should answer for migration only when the driver can migrate', async () => {
    await withDevice(async (user, fd, vdev, world) => {
      const [MIGRATION, STATE] = [VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE];
      expect(await feature(user, fd, GET | MIGRATION, [0, 0])).toEqual([-ENOTTY, 0, 0]);
      expect(await feature(user, fd, GET | STATE, [0, 0])).toEqual([-ENOTTY, 0, 0]);

      vdev.migration_flags = 3;
      let state = 2;
      let stream: file | null = null;
      const devnull = world.process.files?.slot(0)?.file as file;
      vdev.ops.migration_get_state = (_device, curr) => ((curr.v = state), 0);
      vdev.ops.migration_set_state = async (_device, to) => {
        if (to === 9) return ERR_PTR(-EINVAL);
        state = to;
        stream = to === 3 ? new file(devnull.f_inode, {}, 0) : null;
        return stream;
      };
      expect(await feature(user, fd, GET | MIGRATION, [9, 9])).toEqual([0, 3, 0]);
      expect(await feature(user, fd, GET | MIGRATION, [9])).toEqual([-EINVAL, 9]);
      expect(await feature(user, fd, PROBE | MIGRATION)).toEqual([0]);
      expect(await feature(user, fd, SET | MIGRATION, [0, 0])).toEqual([-EINVAL, 0, 0]);

      expect(await feature(user, fd, GET | STATE, [0, 0])).toEqual([0, 2, 0xffffffff]);
      expect(await feature(user, fd, SET | STATE, [1, 5])).toEqual([0, 1, 0xffffffff]);
      expect(await feature(user, fd, SET | STATE, [9, 5])).toEqual([-EINVAL, 9, 0xffffffff]);
      const [ret, to, data_fd] = await feature(user, fd, SET | STATE, [3, 5]);
      expect([ret, to]).toEqual([0, 3]);
      expect(world.process.files?.slot(data_fd)?.file).toBe(stream);
      expect(await user.close(data_fd)).toBe(0);
    });
  });
});

describe('unregistering', () => {
  it('should ask for the device every ten seconds until it is closed', async () => {
    await inWorld(async (world) => {
      const group = await world.group('a');
      const asked: number[] = [];
      world.device('a').ops.request = (_vdev, count) => void asked.push(count);
      await world.user(async (user) => {
        const { groups, container } = await user.setup(group);
        const fd = await user.get_device(groups[0], 'a');
        const closer = spawn_thread(world.process, 'closer', async () => {
          await sleep_ns(25e9);
          for (const n of [fd, ...groups, container]) await user.close(n);
        });
        await world.remove('a');
        expect(asked).toEqual([0, 1, 2]);
        await join(closer);
      });
    });
  });

  it('should go on waiting after a signal, and say whom it blocks', async () => {
    await onMachine(async (k) => {
      const world = await World.boot(k);
      const group = await world.group('a');
      await world.user(async (user) => {
        const { groups } = await user.setup(group);
        const fd = await user.get_device(groups[0], 'a');
        const remover = spawn_thread(world.process, 'rmmod', () => world.remove('a'));
        await sleep_ns(1e9);
        remover.signal_pending = true;
        await sleep_ns(1e9);
        expect(remover.done).toBe(false);
        await user.close(fd);
        await join(remover);
        await user.close(groups[0]);
      });
      expect(machine.log.join('\n')).toMatch(/Device is currently in use, task "test" \(\d+\) blocked until/);
      await world.shutdown();
    });
  });
});

describe('files of groups', () => {
  it('should answer what KVM asks', async () => {
    await inWorld(async (world) => {
      const { k } = world;
      const group = await world.group('a', 'b');
      await world.group('c');
      await world.user(async (user) => {
        const { container, groups } = await user.setup(group);
        const fileOf = (fd: number): file => world.process.files?.slot(fd)?.file as file;
        const [f, other] = [fileOf(groups[0]), fileOf(container)];
        expect(k.vfio_file_iommu_group(f)).toBe(group);
        expect(k.vfio_file_iommu_group(other)).toBeNull();
        expect(k.vfio_file_has_dev(f, world.device('b').vdev)).toBe(true);
        expect(k.vfio_file_has_dev(f, world.device('c').vdev)).toBe(false);
        expect(k.vfio_file_has_dev(other, world.device('b').vdev)).toBe(false);
        expect(await k.vfio_file_enforced_coherent(f)).toBe(false);
        world.iommu.extensions = [VFIO_TYPE1_IOMMU, 4];
        expect(await k.vfio_file_enforced_coherent(f)).toBe(true);
        expect(await k.vfio_file_enforced_coherent(other)).toBe(true);
        const kvm = {};
        await k.vfio_file_set_kvm(f, kvm);
        await k.vfio_file_set_kvm(other, kvm);
        const device = await user.get_device(groups[0], 'a');
        expect(world.device('a').vdev.kvm).toBe(kvm);
        await user.close(device);
        expect(world.device('a').vdev.kvm).toBeNull();
      });
    });
  });
});
