#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
import cac from 'cac';
const cli = cac('vfio-lab');
cli.help();
cli.parse();
