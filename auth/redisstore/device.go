package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

var _ auth.DeviceStore = (*Store)(nil)

var (
	createDeviceScript = script("create_device")
	settleDeviceScript = script("settle_device")
	pollDeviceScript   = script("poll_device")
	deviceFields       = []string{"client", "org", "scope", "jkt", "st", "code", "exp"}
)

// CreateDevice implements auth.DeviceStore.
func (s *Store) CreateDevice(ctx context.Context, d auth.DeviceRequest, secret []byte, interval time.Duration) error {
	_, err := s.runner.Run(ctx, createDeviceScript, []string{s.space.Device(d.UserCode)},
		secret, d.ExpiresAt.UnixMilli(), "client", d.Client, "org", d.Org, "scope", d.Scope, "jkt", d.KeyThumbprint,
		"st", auth.DevicePending, "code", "", "int", interval.Milliseconds())
	if err != nil {
		return refused("create a device's request", err, map[string]*auth.Error{
			"CONFLICT": {Code: auth.Conflict, Detail: "this user code is in use"},
		})
	}
	return nil
}

// Device implements auth.DeviceStore.
func (s *Store) Device(ctx context.Context, userCode string, now time.Time) (auth.DeviceRequest, error) {
	const doing = "read a device's request"
	row, err := s.rdb.HMGet(ctx, s.space.Device(userCode), deviceFields...).Result()
	if err != nil {
		return auth.DeviceRequest{}, unavailable(doing, err)
	}
	if row[0] == nil {
		return auth.DeviceRequest{}, notFound("device")
	}
	d, err := readDevice(userCode, row)
	if err != nil {
		return auth.DeviceRequest{}, unavailable(doing, err)
	}
	if !now.Before(d.ExpiresAt) {
		return auth.DeviceRequest{}, notFound("device")
	}
	return d, nil
}

// readDevice reads the values of deviceFields.
func readDevice(userCode string, row []any) (auth.DeviceRequest, error) {
	values := texts(row)
	if len(values) != len(deviceFields) {
		return auth.DeviceRequest{}, fmt.Errorf("%d values, want %d", len(values), len(deviceFields))
	}
	expires, err := strconv.ParseInt(values[6], 10, 64)
	return auth.DeviceRequest{
		UserCode: userCode, Client: values[0], Org: values[1], Scope: values[2], KeyThumbprint: values[3], State: values[4],
		Code: values[5], ExpiresAt: time.UnixMilli(expires).UTC(),
	}, err
}

// SettleDevice implements auth.DeviceStore.
func (s *Store) SettleDevice(ctx context.Context, userCode, code string, now time.Time) error {
	state := auth.DeviceApproved
	if code == "" {
		state = auth.DeviceDenied
	}
	_, err := s.runner.Run(ctx, settleDeviceScript, []string{s.space.Device(userCode)}, now.UnixMilli(), state, code)
	if err != nil {
		return refused("settle a device's request", err, map[string]*auth.Error{
			"NOTFOUND": notFound("device"),
			"CONFLICT": {Code: auth.Conflict, Detail: "this device was already let in or refused"},
		})
	}
	return nil
}

// PollDevice implements auth.DeviceStore.
func (s *Store) PollDevice(ctx context.Context, userCode, client string, secret []byte, now time.Time) (auth.DeviceRequest, error) {
	const doing = "poll a device's request"
	args := []any{client, secret, now.UnixMilli()}
	for _, field := range deviceFields {
		args = append(args, field)
	}
	reply, err := s.runner.Run(ctx, pollDeviceScript, []string{s.space.Device(userCode)}, args...)
	if err != nil {
		return auth.DeviceRequest{}, refused(doing, err, map[string]*auth.Error{
			"NOTFOUND": notFound("device"),
			"INVALID":  {Code: auth.InvalidGrant, Detail: "the device code is not valid"},
		})
	}
	if reply == "slow down" {
		return auth.DeviceRequest{}, &auth.Error{Code: auth.SlowDown, Detail: "poll less often: five seconds more from now on"}
	}
	row, _ := reply.([]any)
	d, err := readDevice(userCode, row)
	if err != nil {
		return auth.DeviceRequest{}, unavailable(doing, err)
	}
	return d, nil
}
