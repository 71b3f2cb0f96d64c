/* SPDX-License-Identifier: GPL-2.0-only */
/* Faults of a device, in configfs. */
#ifndef TRIVIO_VDPA_FAULT_FS_H
#define TRIVIO_VDPA_FAULT_FS_H

#include <trivio/device.h>
#include <trivio/fault.h>

struct config_group;
struct trivio_vdpa_faults;

struct trivio_vdpa_faults *
trivio_vdpa_faults_create(struct config_group *parent);
void trivio_vdpa_faults_free(struct trivio_vdpa_faults *fs);
void trivio_vdpa_faults_set_jitter(struct trivio_vdpa_faults *fs, u32 us);
u32 trivio_vdpa_faults_jitter(struct trivio_vdpa_faults *fs);
void trivio_vdpa_faults_live(struct trivio_vdpa_faults *fs,
			     struct trivio_dev *dev);

#endif /* TRIVIO_VDPA_FAULT_FS_H */
