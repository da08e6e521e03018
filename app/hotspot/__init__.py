"""What a node needs to be reached by phones: certificates now; captive portal and names later."""
