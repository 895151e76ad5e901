package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/claimsmith/claimsmith/internal/mail"
)

// mailInterval is how often to look for mail that is to be tried again.
const mailInterval = 5 * time.Second

// connectMail has addresses confirmed through the mail server of the settings, if there is one.
func (a *app) connectMail() error {
	m := a.settings.Mail
	if m.SMTPAddr == "" {
		return nil
	}
	sender, err := mail.New(mail.Config{
		Addr: m.SMTPAddr, From: m.MailFrom, Username: m.SMTPUsername, Password: m.SMTPPassword.Reveal(), TLS: m.SMTPTLS,
		Logger: a.logger, Now: a.now,
	})
	if err != nil {
		return err
	}
	a.mail, a.profile.Mail = sender, sender
	return nil
}

func (a *app) sendMail(ctx context.Context) {
	if a.mail == nil {
		return
	}
	ticker := time.NewTicker(mailInterval)
	defer ticker.Stop()
	a.mail.Run(ctx, ticker.C)
}

// printed shows a developer the mails that would be sent.
type printed struct{ io.Writer }

// Send implements profile.Mailer.
func (p printed) Send(to, subject, text string) {
	_, _ = fmt.Fprintf(p, "\nMail to %q: %q\n\n%s\n", to, subject, text)
}
