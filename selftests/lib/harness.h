/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kselftest's harness with a limit for one test that a slow machine keeps: its own
 * 30 seconds are over before a debug kernel under TCG has made a device with nine
 * queues, and a test that is killed leaves that device behind.
 */
#ifndef TRIVIO_HARNESS_H
#define TRIVIO_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

#endif
