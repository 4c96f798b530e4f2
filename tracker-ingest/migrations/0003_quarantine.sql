-- A device let go from quarantine by another process is let go by a running server too.
CREATE TRIGGER quarantine_deleted AFTER DELETE ON quarantine
    BEGIN UPDATE revision SET devices = devices + 1; END;
